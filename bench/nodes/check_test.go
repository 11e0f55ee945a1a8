package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// start of the network's clock in these tests.
var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sound are facts with nothing wrong in them: one account, served by two nodes.
func sound() *facts {
	f := &facts{Asked: map[string]bool{}, MinGap: 100 * time.Millisecond, Used: 3}
	for i := range 4 {
		m := accepted{UID: fmt.Sprint("uid", i), Account: "+1", To: "+9", Text: fmt.Sprint("text ", i)}
		f.Asked[m.Text] = true
		f.Accepted = append(f.Accepted, m)
		s := stored{UID: m.UID, ID: fmt.Sprint("id", i), Account: m.Account, To: m.To, Text: m.Text, FromMe: true, Status: "Sent"}
		if i == 3 {
			s.Status, s.Reason = "Failed", "rejected"
		} else {
			f.Shown = append(f.Shown, shown{Phone: m.To, From: m.Account, ID: s.ID, Text: m.Text, At: began.Add(time.Duration(i) * time.Second), Attempts: 1})
		}
		f.Stored = append(f.Stored, s)
		by := fmt.Sprint("tideline node ", i%2)
		f.Writes = append(f.Writes, write{UID: m.UID, By: by, Holder: by})
	}
	f.Stored = append(f.Stored, stored{UID: "in", ID: "IN", Account: "+1", To: "+9", Text: "hello"})
	f.Said = []said{{ID: "IN", From: "+9", Account: "+1", Text: "hello"}}
	f.Faults = []fault{{Kind: kill, Began: began.Add(200 * time.Millisecond), Accounts: []string{"+1"}, Lost: true}}
	return f
}

func found(f *facts) *report {
	r := &report{faults: map[string]int{}}
	check(f, r)
	return r
}

func TestNothingIsWrongWithSoundFacts(t *testing.T) {
	t.Parallel()
	r := found(sound())
	if len(r.wrong) > 0 || r.Accepted != 4 || r.Sent != 3 || r.Failed != 1 || r.Inbound != 1 || r.TakeoverMax != 0.8 {
		t.Errorf("%+v", r)
	}
}

// Whatever is changed in sound facts is found.
func TestTheCheckerFinds(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		spoil func(f *facts)
		want  string
	}{
		"a lost message":            {func(f *facts) { f.Stored = f.Stored[1:] }, "promise 1: uid0"},
		"an altered message":        {func(f *facts) { f.Stored[0].Text = "text 1" }, "promise 1: uid0"},
		"a doubled message":         {func(f *facts) { f.Stored = append(f.Stored, f.Stored[0]) }, "stored twice"},
		"a key that was used twice": {func(f *facts) { s := f.Stored[0]; s.UID, s.ID = "other", "other"; f.Stored = append(f.Stored, s) }, "under one key"},
		"a message of nobody":       {func(f *facts) { delete(f.Asked, "text 0") }, "nobody asked for it"},
		"a message that waits":      {func(f *facts) { f.Stored[1].Status = "Pending" }, "promise 2: uid1"},
		"a failure without reason":  {func(f *facts) { f.Stored[3].Reason = "" }, "promise 2: uid3"},
		"a message shown twice":     {func(f *facts) { f.Shown = append(f.Shown, f.Shown[2]) }, "promise 3: uid2"},
		"a failure shown twice": {func(f *facts) {
			s := shown{Phone: "+9", From: "+1", ID: "id3", Text: "text 3", At: began.Add(time.Minute)}
			f.Shown = append(f.Shown, s, s)
		}, "promise 3: uid3"},
		"a message not shown": {func(f *facts) { f.Shown = f.Shown[:2] }, "promise 3: uid2"},
		"a stray":             {func(f *facts) { f.Shown[0].Text = "what?" }, `"what?" is on the phone`},
		"a wrong order":       {func(f *facts) { f.Stored[0], f.Stored[1] = f.Stored[1], f.Stored[0] }, "promise 4: of +1"},
		"a burst":             {func(f *facts) { f.Shown[1].At = f.Shown[0].At.Add(98 * time.Millisecond) }, "promise 4: of +1"},
		"a wrong ledger":      {func(f *facts) { f.Ledger = []string{"two too many"} }, "promise 5: two too many"},
		"a missing refund":    {func(f *facts) { f.Used = 4 }, "promise 5: 4 credits"},
		"a lost letter":       {func(f *facts) { f.Stored = f.Stored[:4] }, "promise 6"},
		"a doubled letter":    {func(f *facts) { f.Stored = append(f.Stored, f.Stored[4]) }, "promise 6"},
		"a letter of nobody":  {func(f *facts) { f.Said = nil }, "nobody wrote it"},
		"two owners":          {func(f *facts) { f.Writes[0].By = f.Writes[1].By }, "promise 7: uid0"},
		"no owner":            {func(f *facts) { f.Writes[0].Holder = "" }, "promise 7: uid0"},
		"one node only": {func(f *facts) {
			for i := range f.Writes {
				f.Writes[i] = write{UID: f.Writes[i].UID, By: "tideline node 0", Holder: "tideline node 0"}
			}
		}, "nothing is shown about several"},
		"a late takeover": {func(f *facts) { f.Shown[1].At, f.Shown[2].At = began.Add(21*time.Second), began.Add(22*time.Second) }, "sent again after 20.8s"},
		"no takeover":     {func(f *facts) { f.Faults[0].Began = began.Add(time.Minute) }, "sent nothing afterwards"},
		"a dead node":     {func(f *facts) { f.Sick = []string{"node 1 ended"} }, "node 1 ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sound()
			one.spoil(f)
			if got := strings.Join(found(f).wrong, "\n"); !strings.Contains(got, one.want) {
				t.Errorf("found %q, want %q", got, one.want)
			}
		})
	}
}
