package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/workspace"
)

const (
	// tokenFile keeps the text of the sandbox's token, so that every start can
	// print it. A production server keeps no token's text.
	tokenFile = "token"

	firstTokenName   = "first token"
	sandboxTokenName = "sandbox"
)

// welcome makes what a first start lacks and gives what serve prints.
func (s *server) welcome(ctx context.Context) (welcomeJSON, error) {
	select {
	case <-s.accounts.Compared(): // before that, accounts are shown as the last run left them
	case <-ctx.Done():
		return welcomeJSON{}, ctx.Err()
	case err := <-s.stack.ended:
		return welcomeJSON{}, err
	}
	w := welcomeJSON{
		Accounts: []string{},
		Sandbox:  s.common.Sandbox, URL: s.url, API: s.url + httpapi.Base, Docs: s.url + httpapi.DocsPath, Data: s.folder.Path,
	}
	if s.serve.PublicURL != "" {
		w.PublicURL = strings.TrimRight(s.serve.PublicURL, "/")
	}
	ws, first, err := s.firstWorkspace(ctx)
	if err != nil {
		return w, err
	}
	owner, err := s.workspaces().Member(ctx, ws, "")
	if err != nil {
		return w, err
	}
	w.Workspace = ws.Slug
	switch {
	case s.common.Sandbox:
		if w.Token, err = s.sandboxToken(ctx, ws, owner); err != nil {
			return w, err
		}
		if s.world == nil {
			break // phones are the business of whoever runs the network
		}
		if err := s.sandboxAccount(ctx, ws, owner); err != nil {
			return w, err
		}
		w.Customer = sandbox.FirstCustomer
	case first:
		if w.Token, _, err = auth.NewTokens(s.store, nil).Create(ctx, ws, owner, firstTokenName, 0); err != nil {
			return w, err
		}
	}
	if w.Inbox, err = s.inboxLink(ctx, ws, owner); err != nil {
		return w, err
	}
	accounts, err := s.accounts.List(ctx, ws.ID)
	if err != nil {
		return w, err
	}
	for _, a := range accounts {
		w.Accounts = append(w.Accounts, string(a.Phone))
	}
	w.Curl = w.curl()
	return w, nil
}

// firstWorkspace gives the workspace that serve is about, making it when there
// is none at all.
func (s *server) firstWorkspace(ctx context.Context) (w tideline.Workspace, made bool, err error) {
	all, err := s.workspaces().List(ctx)
	if err != nil {
		return w, false, err
	}
	if len(all) > 0 {
		if s.common.Workspace == "" {
			return all[0], false, nil
		}
		w, err = s.workspaces().Pick(ctx, s.common.Workspace)
		return w, false, err
	}
	c := workspace.Creation{Slug: s.common.Workspace, DisplayName: s.common.Workspace}
	if c.Slug == "" {
		c.Slug, c.DisplayName = "main", "Main"
		if s.common.Sandbox {
			c.Slug, c.DisplayName = "sandbox", "Sandbox"
		}
	}
	w, _, err = s.workspaces().Create(ctx, c)
	if tideline.IsCode(err, tideline.CodeConflict) { // another server of the database was faster
		w, err = s.workspaces().Pick(ctx, c.Slug)
		return w, false, err
	}
	return w, err == nil, err
}

// sandboxToken gives the token of the last start, or makes one when that has
// been revoked or there was none. It is on disk before it is shown.
func (s *server) sandboxToken(ctx context.Context, w tideline.Workspace, owner tideline.Member) (string, error) {
	kept, err := os.ReadFile(s.folder.In(tokenFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if text := strings.TrimSpace(string(kept)); text != "" {
		p, err := auth.New(s.store, auth.Config{}).Authenticate(ctx, text)
		if err == nil && p.Workspace.ID == w.ID {
			return text, nil
		}
		if err != nil && tideline.ErrorCode(err) == tideline.CodeInternal {
			return "", err
		}
	}
	text, _, err := auth.NewTokens(s.store, nil).Create(ctx, w, owner, sandboxTokenName, 0)
	if err != nil {
		return "", err
	}
	if err := datadir.WriteFile(s.folder.In(tokenFile), []byte(text+"\n")); err != nil {
		return "", fmt.Errorf("keep the sandbox's token: %w", err)
	}
	return text, nil
}

// sandboxAccount pairs the sandbox's own phone unless it is paired already.
func (s *server) sandboxAccount(ctx context.Context, w tideline.Workspace, owner tideline.Member) error {
	accounts, err := s.accounts.List(ctx, w.ID)
	if err != nil {
		return err
	}
	if a, ok := account.Find(accounts, sandbox.AccountNumber); ok && a.State.Retryable() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := s.accounts.Pair(ctx, w.ID, owner, whatsapp.PairRequest{})
	if err != nil {
		return err
	}
	return s.world.Link(ctx, events)
}

// welcomeJSON is what serve prints when the server is ready.
type welcomeJSON struct {
	Sandbox   bool     `json:"sandbox"`
	URL       string   `json:"url"`
	PublicURL string   `json:"public_url,omitempty"`
	Inbox     string   `json:"inbox"` // with a one-time link while nobody has a password, in a sandbox always
	API       string   `json:"api"`
	Docs      string   `json:"docs"`
	Data      string   `json:"data"`
	Workspace string   `json:"workspace"`
	Accounts  []string `json:"whatsapp_accounts"`  // phone numbers
	Customer  string   `json:"customer,omitempty"` // sandbox: a number to write to
	Token     string   `json:"token,omitempty"`    // sandbox: always; else at the first start only
	Curl      string   `json:"curl"`
}

// curl gives a line that sends a message.
func (w welcomeJSON) curl() string {
	token, to := w.Token, w.Customer
	if token == "" {
		token = "$TIDELINE_TOKEN"
	}
	if to == "" {
		to = "+1..."
	}
	return fmt.Sprintf(`curl -sS %s/messages -H "Authorization: Bearer %s" -H "Content-Type: application/json" -d '{"phone":"%s","text":"Hello from Tideline"}'`, w.API, token, to)
}

// print writes w for people: one fact a line, the name first.
func (w welcomeJSON) print(out io.Writer) {
	if w.Sandbox {
		fmt.Fprintf(out, "Tideline sandbox: WhatsApp is emulated in this process, nothing leaves this machine.\n\n")
	} else {
		fmt.Fprintf(out, "Tideline is running.\n\n")
	}
	pairs(out,
		"Inbox", w.Inbox,
		"API", w.API+"/",
		"Reference", w.Docs,
		"Workspace", w.Workspace,
		"Accounts", strings.Join(w.Accounts, ", "),
		"Token", w.Token,
	)
	if strings.Contains(w.Inbox, auth.LinkPath("")) {
		fmt.Fprintf(out, "\nOpen the inbox in a browser: its link works once. Make others with: tideline member link\n")
	}
	if w.Token != "" && !w.Sandbox {
		fmt.Fprintf(out, "\nKeep the token: it is not shown again. Make more with: tideline token create --name NAME\n")
	}
	if len(w.Accounts) == 0 {
		fmt.Fprintf(out, "\nPair a phone, from another terminal:\n\n  tideline account pair --data %s\n", w.Data)
	}
	fmt.Fprintf(out, "\nSend a message:\n\n  %s\n", w.Curl)
	if w.Sandbox {
		fmt.Fprintf(out, "\nSee what the customer's phone decrypted:\n\n  curl -sS %s/sandbox/phones/%s/messages\n", w.URL, w.Customer)
	}
	fmt.Fprintf(out, "\nStop with Ctrl-C.\n")
}
