package team

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// SearchTemplates lists the text templates that p may see and that have all words
// of query in their name or text, in whatever case. Those whose names begin with
// the query come first, then those with all of it in their names, then the others;
// among these the most used first. An empty query finds all.
func (s *Service) SearchTemplates(ctx context.Context, p *tideline.Principal, query string) ([]Template, error) {
	all, err := s.Templates(ctx, p)
	if err != nil {
		return nil, err
	}
	query = fold(strings.TrimSpace(query))
	words := strings.Fields(query)
	type hit struct {
		t    Template
		rank int
	}
	hits := make([]hit, 0, len(all))
	for _, t := range all {
		name := fold(t.Name)
		whole := name + "\n" + fold(t.Text)
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(whole, w) }) {
			continue
		}
		rank := 2
		switch {
		case strings.HasPrefix(name, query):
			rank = 0
		case strings.Contains(name, query):
			rank = 1
		}
		hits = append(hits, hit{t, rank})
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.t.Uses, a.t.Uses))
	})
	found := make([]Template, len(hits))
	for i := range hits {
		found[i] = hits[i].t
	}
	return found, nil
}

// fold gives the form in which all cases of a letter are the same.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, s)
}
