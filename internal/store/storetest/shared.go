package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var sharedQueueTests = map[string]func(*testing.T, *world){
	"ALaneGoesOnElsewhereWhereItStopped": func(t *testing.T, w *world) {
		other := w.account(w.ws, "+14840000100")
		lane := func(id int64) store.LaneStart {
			l, err := w.another().LaneStart(w.ctx(), id)
			w.must(err)
			return l
		}
		same(t, "at first", lane(w.acc.ID), store.LaneStart{})
		same(t, "of nobody", lane(999999), store.LaneStart{})
		ids := w.acceptMany(4, w.acc.ID)
		w.acceptMany(1, other.ID)
		w.settle(ids[0], tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = w.now.Add(time.Minute) })
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[2]))
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[3]))
		w.must(w.store.PauseAccount(w.ctx(), w.ws.ID, w.acc.ID, "Ann", w.now))
		want := store.LaneStart{At: w.now.Add(time.Minute), Paused: true, First: []int64{ids[3], ids[2]}}
		for _, id := range ids[1:] {
			want.Queued = append(want.Queued, store.Queued{AccountID: w.acc.ID, MessageID: id, Gap: 2 * time.Second})
		}
		same(t, "lane", lane(w.acc.ID), want)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		same(t, "of a removed account", len(lane(w.acc.ID).Queued), 0)
		same(t, "of the other", len(lane(other.ID).Queued), 1)
	},

	"WhatWasQueuedAfterAMarkIsFound": func(t *testing.T, w *world) {
		// More lanes than one statement has room for.
		const lanes = 300
		marks := make([]store.LaneMark, lanes)
		for i := range marks {
			marks[i].AccountID = int64(1000 + i) // there are none of these
		}
		other := w.account(w.ws, "+14840000100")
		unasked := w.account(w.ws, "+14840000101")
		ids := w.acceptMany(3, w.acc.ID)
		others := w.acceptMany(2, other.ID)
		w.acceptMany(2, unasked.ID)
		marks[0] = store.LaneMark{AccountID: w.acc.ID, MessageID: ids[0]}
		marks[lanes-1] = store.LaneMark{AccountID: other.ID}
		queued := func(account, id int64) store.Queued {
			return store.Queued{AccountID: account, MessageID: id, Gap: 2 * time.Second}
		}
		got, err := w.another().QueuedAfter(w.ctx(), marks)
		w.must(err)
		same(t, "queued", got, []store.Queued{
			queued(w.acc.ID, ids[1]), queued(w.acc.ID, ids[2]), queued(other.ID, others[0]), queued(other.ID, others[1]),
		})
		got, err = w.store.QueuedAfter(w.ctx(), nil)
		w.must(err)
		same(t, "of no lane", len(got), 0)
		w.settle(others[1], tideline.StatusSent, func(s *store.Settlement) { s.AccountID = other.ID })
		newest, err := w.store.NewestQueued(w.ctx(), ids[0])
		w.must(err)
		same(t, "newest", len(newest), 3)
		same(t, "newest of two", newest[:2], []store.LaneMark{{AccountID: w.acc.ID, MessageID: ids[2]}, {AccountID: other.ID, MessageID: others[0]}})
		newest, err = w.store.NewestQueued(w.ctx(), others[1])
		w.must(err)
		same(t, "newest above", newest, []store.LaneMark{{AccountID: unasked.ID, MessageID: newest[0].MessageID}})
	},

	"AccountsAreReadByTheirIDs": func(t *testing.T, w *world) {
		other := w.account(w.ws, "+14840000100")
		gone := w.account(w.ws, "+14840000101")
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, gone.ID, w.now))
		ids := []int64{other.ID, gone.ID, w.acc.ID}
		for i := range int64(300) {
			ids = append(ids, 1000+i) // there are none of these
		}
		got, err := w.another().AccountsByID(w.ctx(), ids)
		w.must(err)
		all, err := w.store.AllAccounts(w.ctx())
		w.must(err)
		same(t, "accounts", got, all)
		same(t, "number", len(got), 2)
	},

	"OthersWorkHidesNothing": func(t *testing.T, w *world) {
		for i := range 3 {
			w.receiveMessage(fmt.Sprintf("M%d", i), func(r *store.Reception) {
				r.ReceivedAt = w.now.Add(time.Duration(i) * time.Minute)
				r.Message.Media = &store.NewMedia{Name: fmt.Sprintf("%d.jpg", i), MIMEType: "image/jpeg", Ref: []byte("ref")}
			})
			w.must(w.store.PutHistoryChunk(w.ctx(), store.HistoryChunk{WorkspaceID: w.ws.ID, AccountID: w.acc.ID,
				Chunk: fmt.Sprint(i), Ref: []byte("ref"), AnnouncedAt: w.now.Add(time.Duration(i) * time.Minute)}))
		}
		now := w.now.Add(time.Minute) // the last of each is not due yet
		all, err := w.store.DueDownloads(w.ctx(), now, 10)
		w.must(err)
		same(t, "due downloads", len(all), 2)
		rest, err := w.store.DueDownloadsFrom(w.ctx(), now, 1, 10)
		w.must(err)
		same(t, "behind the first", rest, all[1:])
		at, err := w.store.NextDownloadAfter(w.ctx(), now)
		w.must(err)
		same(t, "next download", at, w.now.Add(2*time.Minute))
		at, err = w.store.NextDownloadAfter(w.ctx(), now.Add(time.Hour))
		w.must(err)
		same(t, "next of none", at, time.Time{})
		for i, want := range []string{"0", "1", ""} {
			c, found, err := w.store.DueHistoryChunkFrom(w.ctx(), now, i)
			w.must(err)
			same(t, "chunk", []any{c.Chunk, found}, []any{want, want != ""})
		}
		at, err = w.store.NextHistoryChunkAfter(w.ctx(), now)
		w.must(err)
		same(t, "next chunk", at, w.now.Add(2*time.Minute))
		profiles, err := w.store.DueProfiles(w.ctx(), now.Add(time.Hour), nil, 10)
		w.must(err)
		for i := range len(profiles) + 1 {
			got, err := w.store.DueProfilesFrom(w.ctx(), now.Add(time.Hour), nil, i, 10)
			w.must(err)
			same(t, "profiles", len(got), len(profiles)-i)
		}
	},

	// Several servers accept for one account while another one follows its lane: it
	// must find each message once, in an order that never goes back.
	"WhoFollowsALaneMissesNothing": func(t *testing.T, w *world) {
		w.setCredits(100_000)
		const servers, each = 3, 40
		var accepting sync.WaitGroup
		ended := make(chan struct{})
		for range servers {
			s := w.another()
			accepting.Go(func() {
				for range each {
					if out := s.Accept(w.ctx(), w.acceptance()); out.Err != nil {
						t.Error(out.Err)
					}
				}
			})
		}
		go func() { accepting.Wait(); close(ended) }()
		follower := w.another()
		mark := store.LaneMark{AccountID: w.acc.ID}
		found := 0
		for last := false; !last; {
			select {
			case <-ended:
				last = true // what is there now is all
			default:
			}
			got, err := follower.QueuedAfter(w.ctx(), []store.LaneMark{mark})
			w.must(err)
			for _, q := range got {
				if q.MessageID <= mark.MessageID {
					t.Fatalf("message %d after %d", q.MessageID, mark.MessageID)
				}
				mark.MessageID = q.MessageID
			}
			found += len(got)
		}
		same(t, "found", found, servers*each)
		same(t, "queued", len(w.backlog()), found)
	},
}
