package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	shopA, shopB = "+14841000000", "+14841000001"
	ana, ben     = "+16102000000", "+16102000001"
	crew         = "120363000000000000@g.us"
)

// sound gives facts in which everything is accounted for: a message each way, with
// a file, to another account, to a group, refused, lost in doubt, answered by a
// phone itself, edited, taken back and reacted to.
func sound() facts {
	f := facts{
		Accounts: map[string]bool{shopA: true, shopB: true},
		Members:  map[string][]string{crew: {shopA, shopB, ana}},
		Answers:  map[string]string{ben: "Thank you"},
		Wire:     map[string]wire{},
	}
	ask := func(seq int, to, text, sum, status string, w wire, phones ...string) {
		id := fmt.Sprintf("OUT%d", seq)
		f.Asked = append(f.Asked, asked{UID: "uid" + id, Account: shopA, To: to, Text: text, SHA256: sum, Seq: seq})
		f.Rows = append(f.Rows, row{Account: shopA, Chat: to, UID: "uid" + id, ID: id, FromMe: true, Ours: true, Text: text, SHA256: sum, Status: status})
		for _, p := range phones {
			f.Shown = append(f.Shown, shown{Phone: p, From: shopA, ID: id, Text: text, SHA256: sum, Seq: int64(100 + seq)})
		}
		w.First = int64(seq + 1)
		f.Wire[id] = w
	}
	once := wire{Sends: 1, Acks: 1}
	ask(0, ana, "zero", "", "Read", once, ana)
	ask(1, ana, "one", "aa", "Read", once, ana)
	ask(2, ben, "two", "", "Read", once, ben)
	ask(3, shopB, "three", "", "Read", once, shopB)
	ask(4, crew, "four", "", "Read", once, shopB, ana)
	ask(5, ana, "five", "", "Failed", wire{Sends: 1, Nacks: 1})
	ask(6, ana, "six", "", "Failed", wire{Sends: 2, Nacks: 1}, ana)
	receive := func(r row) { f.Rows = append(f.Rows, r) }
	receive(row{Account: shopA, Chat: ben, ID: "AUTO", Text: "Thank you", Sender: ben, Kind: "text"})
	receive(row{Account: shopB, Chat: shopA, ID: "OUT3", Text: "three", Sender: shopA, Kind: "text"})
	receive(row{Account: shopB, Chat: crew, ID: "OUT4", Text: "four", Sender: shopA, Kind: "text"})
	f.Said = []said{
		{ID: "IN0", From: ana, To: shopA, Kind: "text", Text: "hello", ReplyTo: "OUT0"},
		{ID: "IN1", From: ana, To: shopA, Kind: "voice", SHA256: "bb"},
		{ID: "IN2", From: ana, To: shopA, Kind: "text", Text: "gone", Deleted: true},
		{ID: "IN3", From: shopA, To: ana, Kind: "text", Text: "typed"},
		{ID: "IN4", From: ana, To: crew, Kind: "text", Text: "all"},
	}
	receive(row{Account: shopA, Chat: ana, ID: "IN0", Text: "hello", Sender: ana, Kind: "text", ReplyTo: "OUT0"})
	receive(row{Account: shopA, Chat: ana, ID: "IN1", Sender: ana, Kind: "voice", SHA256: "bb"})
	receive(row{Account: shopA, Chat: ana, ID: "IN2", Sender: ana, Kind: "text", Deleted: true})
	receive(row{Account: shopA, Chat: ana, ID: "IN3", Text: "typed", FromMe: true, Kind: "text"})
	receive(row{Account: shopA, Chat: crew, ID: "IN4", Text: "all", Sender: ana, Kind: "text"})
	receive(row{Account: shopB, Chat: crew, ID: "IN4", Text: "all", Sender: ana, Kind: "text"})
	f.Shown = append(f.Shown, shown{Phone: ana, From: shopA, ID: "IN3", Text: "typed", Seq: 500})
	f.Reactions = []reaction{{Target: "OUT0", By: ana, To: shopA, Emoji: "👍"}}
	f.row("OUT0").Reactions = map[string]string{ana: "👍"}
	return f
}

func (f *facts) row(id string) *row {
	return &f.Rows[slices.IndexFunc(f.Rows, func(r row) bool { return r.ID == id })]
}

func (f *facts) onPhone(id string) *shown {
	return &f.Shown[slices.IndexFunc(f.Shown, func(s shown) bool { return s.ID == id })]
}

func (f *facts) forget(id string) {
	f.Rows = slices.DeleteFunc(f.Rows, func(r row) bool { return r.ID == id && !r.FromMe })
}

func (f *facts) hide(id string) {
	f.Shown = slices.DeleteFunc(f.Shown, func(s shown) bool { return s.ID == id })
}

func TestTheCheckerIsContentWithASoundWorld(t *testing.T) {
	t.Parallel()
	v := check(sound())
	if len(v.Problems) > 0 {
		t.Errorf("problems: %q", v.Problems)
	}
	if v.Outbound != 7 || v.Sent != 5 || v.Failed != 1 || v.Unknown != 1 || v.Inbound != 9 || v.Reacted != 1 || v.Repeated != 1 {
		t.Errorf("counts: %+v", v)
	}
}

func TestTheCheckerNotices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(f *facts)
		want  string // beginning of a problem
	}{
		"a sent message that the phone doesn't show": {func(f *facts) { f.hide("OUT0") }, "outbound lost"},
		"one that one phone of a group doesn't show": {func(f *facts) { f.onPhone("OUT4").ID = "OTHER" }, "outbound lost"},
		"an accepted message that isn't stored":      {func(f *facts) { f.Asked = append(f.Asked, asked{UID: "x", Account: shopA, Seq: 9}) }, "outbound lost"},
		"a message that the phone shows twice":       {func(f *facts) { f.Shown = append(f.Shown, *f.onPhone("OUT0")) }, "outbound doubled"},
		"a message that is stored twice":             {func(f *facts) { f.Rows = append(f.Rows, *f.row("OUT0")) }, "outbound doubled"},
		"another text on the phone":                  {func(f *facts) { f.onPhone("OUT0").Text = "zer0" }, "outbound altered"},
		"another file on the phone":                  {func(f *facts) { f.onPhone("OUT1").SHA256 = "ab" }, "outbound altered"},
		"another text in storage":                    {func(f *facts) { f.row("OUT0").Text = "" }, "outbound altered"},
		"a message on a phone that it wasn't for":    {func(f *facts) { f.onPhone("OUT0").Phone = ben }, "outbound misdelivered"},
		"a message that doesn't end":                 {func(f *facts) { f.row("OUT0").Status = "Pending" }, "outbound not ended"},
		"a failure that nobody caused":               {func(f *facts) { f.row("OUT0").Status = "Failed"; f.hide("OUT0") }, "outbound failed without"},
		"a message shown that was always refused":    {func(f *facts) { f.Wire["OUT6"] = wire{Sends: 1, Nacks: 1} }, "outbound shown although"},
		"a receipt that didn't count":                {func(f *facts) { f.row("OUT0").Status = "Delivered" }, "receipt lost"},
		"a message tried before its turn": {func(f *facts) {
			w := f.Wire["OUT2"]
			w.First = 1
			f.Wire["OUT2"] = w
			f.Wire["OUT1"] = wire{First: 2, Sends: 1}
		}, "order"},
		"a message on the phone before its turn":      {func(f *facts) { f.onPhone("OUT1").Seq = 1 }, "order"},
		"an inbound message that isn't stored":        {func(f *facts) { f.forget("IN0") }, "inbound lost"},
		"one from another account that isn't stored":  {func(f *facts) { f.forget("OUT3") }, "inbound lost"},
		"one in a group that an account doesn't have": {func(f *facts) { f.row("IN4").Account = "+1" }, "inbound lost"},
		"an answer that isn't stored":                 {func(f *facts) { f.forget("AUTO") }, "inbound lost"},
		"an inbound message stored twice":             {func(f *facts) { f.Rows = append(f.Rows, *f.row("IN0")) }, "inbound doubled"},
		"an answer stored twice":                      {func(f *facts) { r := *f.row("AUTO"); r.ID = "AGAIN"; f.Rows = append(f.Rows, r) }, "inbound lost"},
		"another inbound text":                        {func(f *facts) { f.row("IN0").Text = "hell" }, "inbound altered"},
		"another writer":                              {func(f *facts) { f.row("IN0").Sender = ben }, "inbound altered"},
		"another kind":                                {func(f *facts) { f.row("IN1").Kind = "audio" }, "inbound altered"},
		"an answer to nothing":                        {func(f *facts) { f.row("IN0").ReplyTo = "" }, "inbound altered"},
		"a deletion that didn't count":                {func(f *facts) { f.row("IN2").Deleted = false }, "inbound altered"},
		"another inbound file":                        {func(f *facts) { f.row("IN1").SHA256 = "" }, "inbound file"},
		"a message in two chats":                      {func(f *facts) { r := *f.row("IN0"); r.Chat = ben; f.Rows = append(f.Rows, r) }, "two chats"},
		"a stored message that nobody wrote":          {func(f *facts) { f.Rows = append(f.Rows, row{Account: shopA, Chat: ana, ID: "NEW"}) }, "unasked"},
		"a shown message that nobody asked for":       {func(f *facts) { f.Shown = append(f.Shown, shown{Phone: ana, From: shopA, ID: "NEW"}) }, "unasked"},
		"a reaction that isn't stored":                {func(f *facts) { f.row("OUT0").Reactions = nil }, "reaction"},
		"a reaction that was taken back":              {func(f *facts) { f.Reactions[0].Emoji = "" }, "reaction"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sound()
			c.spoil(&f)
			got := check(f).Problems
			if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, c.want) }) {
				t.Errorf("problems %q, want one that begins with %q", got, c.want)
			}
		})
	}
}

// A phone that had to ask for a message again shows it late; that is no disorder.
func TestTheCheckerForgivesWhatWasAskedForAgain(t *testing.T) {
	t.Parallel()
	f := sound()
	f.onPhone("OUT0").Seq = 400
	f.Wire["OUT0"] = wire{First: 1, Sends: 2, Acks: 2, Retries: 1}
	if v := check(f); len(v.Problems) > 0 || v.Retried != 1 {
		t.Errorf("verdict %+v", v)
	}
}

func TestTheTrendTellsGrowthFromNoise(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	series := func(life int, grow float64) (all []sample) {
		for i := range 60 {
			noise := float64([]int{-900, 300, 700, -100}[i%4])
			kib := 20000 + grow*float64(i)*5/60 + noise
			all = append(all, sample{At: start.Add(time.Duration(i) * 5 * time.Second), Life: life, Heap: int64(kib * 1024)})
		}
		return all
	}
	for _, c := range []struct {
		grow float64 // KiB a minute
		flat bool
	}{{0, true}, {-500, true}, {200, true}, {1000, false}} {
		got := trendOf(series(1, c.grow), start)
		if got.Flat != c.flat || !got.Judged || got.Slope < c.grow-100 || got.Slope > c.grow+100 {
			t.Errorf("a growth of %.0f KiB a minute: %+v", c.grow, got)
		}
	}
	earlier := series(1, 10000)
	if got := trendOf(append(earlier, series(2, 0)...), start); !got.Flat || got.Samples != 60 {
		t.Errorf("servers before the last one count: %+v", got)
	}
	if got := trendOf(earlier[:10], start); got.Judged {
		t.Errorf("a short look is judged: %+v", got)
	}
}
