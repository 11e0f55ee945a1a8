package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	pages "github.com/tidelinehq/tideline/internal/web"
	"github.com/tidelinehq/tideline/internal/web/admin"
	"github.com/tidelinehq/tideline/internal/web/entry"
	"github.com/tidelinehq/tideline/internal/web/inbox"
	"github.com/tidelinehq/tideline/internal/web/live"
	"github.com/tidelinehq/tideline/internal/web/phones"
	"github.com/tidelinehq/tideline/internal/web/ui"
	usagepages "github.com/tidelinehq/tideline/internal/web/usage"
)

// tokensPage is the page with API tokens.
const tokensPage = "/tokens"

// openPages puts the pages together.
func (s *server) openPages(messages *message.Service) (http.Handler, error) {
	secure := strings.HasPrefix(s.publicURL(), "https://")
	cookie := auth.CookieName(secure)
	if s.common.Sandbox {
		cookie += "-sandbox" // browsers keep cookies by host, whatever the port: a server beside it must not sign its people out
	}
	kit, err := ui.New(ui.Config{
		Sessions: s.sessions, Cookie: cookie, Secure: secure, Sandbox: s.common.Sandbox,
		Language: func(p *tideline.Principal) string { return p.Member.Language }, Position: s.live.Position,
		Attribute: func(ctx context.Context, p *tideline.Principal) context.Context {
			return tideline.WithActor(ctx, p.Actor(tideline.ViaInbox))
		},
		Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	members := team.New(s.store, nil)
	sections := []ui.Section{
		s.entryPages(cookie, secure, messages),
		live.New(live.Deps{Hub: s.stage, Team: members, Chats: s.store, Presence: s.shown, Log: s.log}),
		inbox.New(inbox.Deps{Storage: s.store, Messages: messages, Files: s.files.Service, Team: members, Log: s.log}),
		usagepages.New(usagepages.Deps{Queue: outbox.NewDesk(s.queue, s.store, members), Books: s.store, Viewers: members}),
		s.numberPages(members),
		s.adminPages(members),
		s.toolPages(members),
	}
	if s.world != nil {
		sections = append(sections, phones.New(phones.Deps{World: s.world}))
	}
	return pages.New(kit, sections...)
}

func (s *server) adminPages(members *team.Service) ui.Section {
	return admin.New(admin.Deps{
		Team: members, Links: s.sessions, Tokens: auth.NewTokens(s.store, nil), Workspaces: s.workspaces(), Storage: s.store,
		BaseURL: func(r *http.Request) string {
			if s.serve.PublicURL != "" {
				return s.publicURL()
			}
			return "http://" + r.Host // as it came, for whoever asked
		},
		APIPath: httpapi.Base,
	})
}

func (s *server) entryPages(cookie string, secure bool, messages *message.Service) ui.Section {
	cfg := entry.Config{
		Cookie: cookie, Secure: secure, PublicURL: strings.TrimRight(s.serve.PublicURL, "/"), APIBase: httpapi.Base,
		Shown: []string{firstTokenName, sandboxTokenName},
	}
	if s.common.Sandbox {
		cfg.Customer = sandbox.FirstCustomer
	}
	return entry.New(cfg, entry.Deps{
		Sessions: s.sessions, Team: team.New(s.store, nil), Workspaces: s.workspaces(), Tokens: auth.NewTokens(s.store, nil),
		Messages: messages, Storage: s.store,
		Address: func(r *http.Request) string {
			if a := httpapi.ClientAddress(r, s.serve.TrustedProxy); a.IsValid() {
				return a.String()
			}
			return ""
		},
	})
}
