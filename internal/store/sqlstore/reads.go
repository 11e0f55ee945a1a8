package sqlstore

import (
	"context"
	"database/sql"
	"math/bits"
)

// readRows is the largest number of rows of the statements that readers keep: a
// page of a list is 50. What needs more rows takes several, see eachAll.
const readRows = 64

// readStatements are those that read the rows of a page, which are long: one
// that names 32 chats takes SQLite longer to compile than to run.
func readStatements() []*multi {
	return []*multi{selectChatViews, selectLabelsOfChats,
		selectMessageViews, selectMessageFiles, selectMessageMembers, selectReactions, selectEventReactions, selectChatAliases}
}

// prepareReads prepares what readers ask for again and again. It happens here
// and not when they ask, because a reader that holds a connection must not wait
// for another one. database/sql prepares a statement on each of its connections,
// of which there are few, when it is first used there, and keeps it.
//
// PostgreSQL's driver keeps the statements of a connection by itself.
func (s *Store) prepareReads(ctx context.Context) error {
	s.reads = make(map[string]*sql.Stmt)
	for _, m := range readStatements() {
		for _, text := range m.texts[s.d][:bits.Len(readRows)] {
			stmt, err := s.pool.PrepareContext(ctx, text) //nolint:sqlclosecheck // kept until Close
			if err != nil {
				return err
			}
			s.reads[text] = stmt
		}
	}
	return nil
}
