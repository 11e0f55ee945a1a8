package node

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// openWorkspace makes the workspace with its owner, token, members and webhook
// when this is the first server, and signs the members in.
func (s *server) openWorkspace(ctx context.Context) error {
	s.who, s.sessions = auth.New(s.store, auth.Config{}), auth.NewSessions(s.store, auth.SessionConfig{Log: s.log})
	const slug = "bench"
	now := time.Now()
	w, err := s.store.WorkspaceBySlug(ctx, slug)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		unlimited := tideline.Unlimited
		var owner tideline.Member
		w, owner, err = s.store.CreateWorkspace(ctx, tideline.Workspace{
			Slug: slug, DisplayName: "Bench", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan},
			Credits: &unlimited, Gap: tideline.Gap{Min: s.setup.GapMin, Max: s.setup.GapMax}, CreatedAt: now,
		}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
		if err != nil {
			return err
		}
		_, err = s.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ID, MemberID: owner.ID, Name: "bench", CreatedAt: now}, sha256.Sum256([]byte(Token)))
	}
	if err != nil {
		return err
	}
	for i := range s.setup.Members {
		m, err := s.store.AddMember(ctx, tideline.Member{
			WorkspaceID: w.ID, Email: fmt.Sprintf("member%d@example.com", i), DisplayName: fmt.Sprint("Member ", i), Role: tideline.RoleAdmin, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		link, _, err := s.sessions.CreateLink(ctx, &m, tideline.LinkSignIn, 0)
		if err != nil {
			return err
		}
		secret, _, err := s.sessions.Redeem(ctx, link, auth.Entry{})
		if err != nil {
			return err
		}
		s.tokens = append(s.tokens, secret)
	}
	if s.setup.Webhook == "" {
		return nil
	}
	_, _, err = s.store.PutWebhook(ctx, tideline.Webhook{
		WorkspaceID: w.ID, EventType: tideline.EventMessageReceived, URL: s.setup.Webhook, Enabled: true,
		Secret: webhook.NewSecret(), CreatedAt: now, UpdatedAt: now,
	}, -1)
	return err
}

// pair links one phone: the first line of the answer is the QR code's content,
// the second says how it ended.
func (s *server) pair(w http.ResponseWriter, r *http.Request) {
	p, err := s.who.Authenticate(r.Context(), Token)
	var steps <-chan whatsapp.PairEvent
	if err == nil {
		steps, err = s.accounts.Pair(r.Context(), p.Workspace.ID, p.Member, whatsapp.PairRequest{})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	shown := false
	for step := range steps {
		switch {
		case step.QR != nil && !shown:
			shown = true
			fmt.Fprintln(w, step.QR.Text)
			_ = http.NewResponseController(w).Flush()
		case step.Paired != nil:
			fmt.Fprintln(w, paired)
		case step.Failed != nil:
			fmt.Fprintln(w, step.Failed)
		}
	}
}

// paired is the line that ends a pairing well.
const paired = "paired"

// readPairing is the other side of pair.
func readPairing(res *http.Response, scan func(qr string) error) error {
	lines := bufio.NewScanner(res.Body)
	lines.Scan()
	if res.StatusCode != http.StatusOK {
		return errors.New(lines.Text())
	}
	if err := scan(lines.Text()); err != nil {
		return err
	}
	lines.Scan()
	if err := lines.Err(); err != nil {
		return err
	}
	if lines.Text() != paired {
		return fmt.Errorf("it ended with %q", lines.Text())
	}
	return nil
}

func (s *server) showState(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	st, err := s.state(r.Context(), q.Get("collect") == "true", q.Get("accounts") == "true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(st)
}

func (s *server) record(_ http.ResponseWriter, r *http.Request) {
	s.sends.recording.Store(r.URL.Query().Get("on") == "true")
}

func (s *server) profile(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("begin") != "true" {
		pprof.StopCPUProfile()
		_, _ = w.Write(s.profiled.Bytes())
		return
	}
	s.profiled.Reset()
	if err := pprof.StartCPUProfile(&s.profiled); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
