package inbox

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// offlinePause is when an attachment of an account that is not connected is
	// tried again.
	offlinePause = 15 * time.Second
	// brokenAttempts is after how many attempts a damaged file is believed to be so
	// at WhatsApp, and not on the way.
	brokenAttempts = 3
	// finishTimeout bounds the wait for storage once an attachment is there.
	finishTimeout = 10 * time.Second
)

// Run fetches attachments and reads histories until ctx ends. What is under way
// then begins again after the next start.
func (s *Service) Run(ctx context.Context) error {
	var others sync.WaitGroup
	others.Go(func() { s.readHistories(ctx) })
	defer others.Wait()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
		pause := s.cfg.Poll
		if next, err := s.work(ctx); err != nil {
			if ctx.Err() == nil {
				s.log.ErrorContext(ctx, "look for attachments to fetch; trying again", "err", err)
			}
			pause = min(pause, s.cfg.RetryFirst)
		} else if !next.IsZero() {
			pause = min(pause, max(0, time.Until(next)))
		}
		tick.Reset(pause)
	}
}

// work fetches all that is due and says when something is due next; zero when
// nothing is.
func (s *Service) work(ctx context.Context) (time.Time, error) {
	var now time.Time
	for ctx.Err() == nil {
		now = time.Now()
		due, err := s.dueDownloads(ctx, now)
		if err != nil {
			return time.Time{}, err
		}
		if len(due) == 0 {
			break
		}
		gate := make(chan struct{}, s.cfg.Workers)
		var running sync.WaitGroup
		var mu sync.Mutex
		var failed error
		for _, d := range due {
			gate <- struct{}{}
			running.Go(func() {
				defer func() { <-gate }()
				if err := s.fetch(ctx, d); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			})
		}
		running.Wait()
		if failed != nil {
			return time.Time{}, failed
		}
	}
	return s.nextDownload(ctx, now)
}

// fetch makes one attempt at one attachment and notes how it ended. The error is
// storage's.
func (s *Service) fetch(ctx context.Context, d store.Download) error {
	attempt, cancel := context.WithTimeout(ctx, s.cfg.FetchTimeout)
	defer cancel()
	var f tideline.File
	err := whatsapp.ErrOffline
	switch {
	case d.Size > s.cfg.MaxFileBytes:
		err = whatsapp.ErrMediaTooLarge
	case d.DeviceJID != "":
		f, err = s.deps.Files.KeepReceived(attempt, file.Received{
			WorkspaceID: d.WorkspaceID, Name: d.Name, Stem: string(d.Kind) + "-" + d.SentAt.UTC().Format("20060102-150405"), MIMEType: d.MIMEType,
			Write: func(ctx context.Context, w io.Writer) error {
				return s.deps.Connector.Fetch(ctx, d.DeviceJID, d.Ref, s.cfg.MaxFileBytes, w)
			},
		})
	}
	if err == nil {
		return s.finish(ctx, d, f)
	}
	if ctx.Err() != nil {
		return nil // the server stops
	}
	if why := s.final(d, err); why != "" {
		s.log.WarnContext(ctx, "attachment given up", "message", d.MessageID, "why", string(why), "attempts", d.Attempts+1, "err", err)
		return gone(s.deps.Store.AbandonDownload(ctx, d.WorkspaceID, d.MessageID, why))
	}
	pause := offlinePause
	switch {
	case d.DeviceJID == "": // logged out, perhaps for long: it waits without a stir
		pause = min(s.cfg.RetryMax, offlinePause<<min(d.Attempts, 20))
	case !errors.Is(err, whatsapp.ErrOffline):
		s.log.InfoContext(ctx, "attachment not fetched yet", "message", d.MessageID, "attempts", d.Attempts+1, "err", err)
		pause = s.cfg.RetryMax
		if d.Attempts < 20 {
			pause = min(pause, s.cfg.RetryFirst<<d.Attempts)
		}
	}
	return gone(s.deps.Store.PostponeDownload(ctx, d.WorkspaceID, d.MessageID, time.Now().Add(pause), err.Error()))
}

// finish gives a message its file, also while the server stops: storage may commit
// what nobody waits for any more, and then the bytes must stay. While it is not
// known whether it did, they stay, too.
func (s *Service) finish(ctx context.Context, d store.Download, f tideline.File) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	err := s.deps.Store.FinishDownload(ctx, d.WorkspaceID, d.MessageID, f)
	if err != nil && ctx.Err() == nil {
		s.deps.Files.Discard(ctx, f)
	}
	return gone(err)
}

// final says why another attempt is of no use; "" when it may be of some.
func (s *Service) final(d store.Download, err error) tideline.AttachmentState {
	switch {
	case tideline.IsCode(err, tideline.CodeUnavailable):
		return "" // our own storage is away, for however long: that is no reason to lose anything
	case errors.Is(err, whatsapp.ErrMediaTooLarge):
		return tideline.AttachmentTooLarge
	case errors.Is(err, whatsapp.ErrMediaGone):
		return tideline.AttachmentGone
	case errors.Is(err, whatsapp.ErrMediaBroken) && d.Attempts+1 >= brokenAttempts:
		return tideline.AttachmentBroken
	case time.Since(d.SentAt) > s.cfg.GiveUp:
		return tideline.AttachmentGone
	}
	return ""
}

// gone makes nothing of a message that was deleted meanwhile.
func gone(err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil
	}
	return err
}
