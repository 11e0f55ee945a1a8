package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// kind is one kind of request, in some variants.
type kind struct {
	name  string
	token string
	paths []string // below the API's
}

func (k kind) matches(part string) bool { return strings.Contains(k.name, part) }

// key gives the name as a key of JSON.
func (k kind) key() string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(k.name)), "_")
}

// variants is how many different requests there are of each kind.
const variants = 200

// kinds lists what is asked for. Numbers are drawn from a fixed seed.
func (w *world) kinds() []kind {
	rng := rand.New(rand.NewPCG(5, 6))
	chat := func() int64 { return w.chats[rng.IntN(len(w.chats))] }
	var kinds []kind
	add := func(name, token string, path func() string) {
		k := kind{name: name, token: token}
		for range variants {
			k.paths = append(k.paths, path())
		}
		kinds = append(kinds, k)
	}
	list := func(name, query string) {
		add("chats "+name, ownerToken, func() string { return "/chats?" + query })
	}
	list("first page", "")
	list("with last messages", "with_msg=true")
	add("chats deep page", ownerToken, func() string { return fmt.Sprintf("/chats?page=%d", 1+rng.IntN(max(1, len(w.chats)/50))) })
	add("open chats deep page", ownerToken, func() string {
		return fmt.Sprintf("/chats?closed=false&page=%d", 1+rng.IntN(max(1, len(w.chats)*6/7/50)))
	})
	add("chats by label", ownerToken, func() string { return fmt.Sprintf("/chats?label=label%%20%d", rng.IntN(labels)) })
	add("chats by rare label", ownerToken, func() string { return "/chats?label=rare" })
	add("chats by account", ownerToken, func() string {
		return "/chats?whatsapp_account_id=" + url.QueryEscape(string(w.accounts[rng.IntN(len(w.accounts))].JID))
	})
	add("chats by responsible", ownerToken, func() string { return "/chats?responsible=" + memberEmail(1+rng.IntN(members-1)) })
	list("unread", "read=false")
	list("read", "read=true")
	list("closed", "closed=true")
	list("groups", "group=true")
	add("chats by name", ownerToken, func() string { return fmt.Sprintf("/chats?name=%d", rng.IntN(1000)) })
	list("by a name nobody has", "name=xyzzy")
	add("chats by letters nobody has", ownerToken, func() string { return fmt.Sprintf("/chats?name=%c%c", 'v'+rng.IntN(4), 'v'+rng.IntN(4)) })
	add("chats by whole number", ownerToken, func() string {
		return "/chats?phone=%2B" + strings.TrimPrefix(string(phoneOf(rng.IntN(len(w.chats)))), "+")
	})
	add("chats by part of a number", ownerToken, func() string { return fmt.Sprintf("/chats?phone=%05d", rng.IntN(100000)) })
	add("chats by contact", ownerToken, func() string {
		return "/chats?whatsapp_phone=" + url.QueryEscape(string(phoneOf(rng.IntN(len(w.chats)))))
	})
	list("made since a time", "created_after=2026-01-01T00:00:00Z")
	list("by all of it", "read=false&closed=false&group=false&name=customer&label=label%201")
	add("visible chats of an agent", agentToken, func() string { return "/v2/chats" })
	add("a chat", ownerToken, func() string { return fmt.Sprintf("/chats/%d", chat()) })
	add("messages of a chat", ownerToken, func() string { return fmt.Sprintf("/chats/%d/messages", chat()) })
	add("messages of the longest chat", ownerToken, func() string { return fmt.Sprintf("/chats/%d/messages?page=%d", w.chats[0], 1+rng.IntN(20)) })
	add("messages since a time", ownerToken, func() string { return fmt.Sprintf("/chats/%d/messages?after=2026-01-01&sorting_order=asc", chat()) })
	add("a message", ownerToken, func() string { return "/messages/" + w.uids[rng.IntN(len(w.uids))] })
	add("teammates", ownerToken, func() string { return "/workspace/teammates" })
	add("files", ownerToken, func() string { return "/files" })
	return kinds
}
