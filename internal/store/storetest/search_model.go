package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// testSearchModel makes, names, renames and joins chats in any order, with names
// of letters that have several cases and of characters that mean something to
// databases. What is found by a part of a name or number must be what has it.
func testSearchModel(t *testing.T, create func(testing.TB) Opener) {
	w := newWorld(t, create(t))
	names := rapid.StringOfN(rapid.SampledFrom([]rune("aAnNkKKsSſéÉßσςΣşŞ%_!*?[]'\\ 12")), 0, 9, -1)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		ctx := context.Background()
		acc := w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484556%04d", serial)))
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			who := rapid.IntRange(0, 2).Draw(rt, "who")
			number := tideline.Phone(fmt.Sprintf("+1484%d0012%d", 21+serial%7, who))
			peer := tideline.Peer{Name: names.Draw(rt, "name")}
			address := rapid.IntRange(1, 3).Draw(rt, "address")
			if address&1 != 0 {
				peer.JID = number.JID()
			}
			if address&2 != 0 {
				peer.LID = tideline.JID(fmt.Sprintf("99%d@lid", who))
			}
			if address == 1 && rapid.Bool().Draw(rt, "write") {
				_, out := w.accept(func(a *store.Acceptance) {
					a.AccountID, a.Chat = acc.ID, store.ChatRef{JID: peer.JID, Phone: number, Name: strings.TrimSpace(peer.Name)}
				})
				if out.Err != nil {
					rt.Fatalf("accept: %v", out.Err)
				}
				continue
			}
			got, err := w.store.Receive(ctx, w.reception(fmt.Sprint("M", w.serial.Add(1)), from(peer), func(r *store.Reception) { r.AccountID = acc.ID }))
			if err != nil {
				rt.Fatalf("receive: %v", err)
			}
			if name := names.Draw(rt, "chosen name"); name != "" && rapid.Bool().Draw(rt, "rename") {
				name += fmt.Sprint(w.serial.Add(1))
				if err := w.store.UpdateChat(ctx, w.ws.ID, got.ChatID, store.ChatUpdate{Name: &name, At: w.now}); err != nil {
					rt.Fatalf("rename: %v", err)
				}
			}
		}
		chats := func(f store.ChatFilter) []tideline.Chat {
			views, _, err := w.store.ListChats(ctx, w.ws.ID, f, store.Page{Limit: 10_000})
			if err != nil {
				rt.Fatalf("list chats: %v", err)
			}
			all := make([]tideline.Chat, len(views))
			for i := range views {
				all[i] = views[i].Chat
			}
			return all
		}
		all := chats(store.ChatFilter{})
		part := func(text string) string {
			runes := []rune(text)
			from := rapid.IntRange(0, len(runes)-1).Draw(rt, "from")
			return string(runes[from:rapid.IntRange(from+1, len(runes)).Draw(rt, "to")])
		}
		one := rapid.SampledFrom(all).Draw(rt, "chat")
		asked := []string{part(one.Name), part(strings.ToUpper(one.Name)), "x" + names.Draw(rt, "any name") + "k"}
		digits := part(one.JID.Phone().Digits() + "0")
		for name, c := range map[string]struct {
			filter store.ChatFilter
			fits   func(tideline.Chat) bool
		}{
			"name":    {store.ChatFilter{Names: asked[:1]}, func(c tideline.Chat) bool { return hasPart(c.Name, asked[0]) }},
			"no name": {store.ChatFilter{Names: asked[2:]}, func(c tideline.Chat) bool { return hasPart(c.Name, asked[2]) }},
			"any name": {store.ChatFilter{Names: asked}, func(c tideline.Chat) bool {
				return slices.ContainsFunc(asked, func(p string) bool { return hasPart(c.Name, p) })
			}},
			"number": {store.ChatFilter{Phone: digits}, func(c tideline.Chat) bool { return strings.Contains(c.JID.Phone().Digits(), digits) }},
			"both": {store.ChatFilter{Phone: digits, Names: asked[1:2]}, func(c tideline.Chat) bool {
				return strings.Contains(c.JID.Phone().Digits(), digits) && hasPart(c.Name, asked[1])
			}},
		} {
			got := chats(c.filter)
			want := slices.DeleteFunc(slices.Clone(all), func(is tideline.Chat) bool { return !c.fits(is) })
			ids := func(chats []tideline.Chat) (ids []int64) {
				for _, c := range chats {
					ids = append(ids, c.ID)
				}
				return ids
			}
			if !slices.Equal(ids(got), ids(want)) {
				rt.Fatalf("%s %q, %q: found %d chats, want %d:\n%+v\n%+v", name, c.filter.Names, c.filter.Phone, len(got), len(want), got, want)
			}
		}
	})
}

// hasPart reports whether a name has part in it, in whatever case. An ASCII letter
// stands for its two ASCII cases only.
func hasPart(name, part string) bool {
	in, wanted := []rune(name), []rune(part)
	alike := func(have, want rune) bool {
		for r := unicode.SimpleFold(want); ; r = unicode.SimpleFold(r) {
			if r == have && (want >= 0x80 || r < 0x80) {
				return true
			}
			if r == want {
				return false
			}
		}
	}
	for from := range len(in) - len(wanted) + 1 {
		if slices.EqualFunc(in[from:from+len(wanted)], wanted, alike) {
			return true
		}
	}
	return false
}
