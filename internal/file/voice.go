package file

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice"
)

// Recording is a voice note that was kept.
type Recording struct {
	File     tideline.File
	Duration time.Duration
	Waveform []byte // voice.WaveformSize values; nil = not known
}

// Data is what a message says about the recording, see tideline.DataDuration.
func (r *Recording) Data() map[string]string {
	seconds := max(1, int64(r.Duration.Round(time.Second)/time.Second))
	data := map[string]string{tideline.DataDuration: strconv.FormatInt(seconds, 10)}
	if r.Waveform != nil {
		data[tideline.DataWaveform] = base64.StdEncoding.EncodeToString(r.Waveform)
	}
	return data
}

// KeepVoice makes a voice note of an audio file and keeps it in the principal's
// workspace. When it returns without an error, the note is on disk. Errors: as of
// Upload, where validation_error also says that the file is no audio, or can't be
// converted here.
func (s *Service) KeepVoice(ctx context.Context, p *tideline.Principal, u Upload) (Recording, error) {
	if err := mayUpload(p); err != nil {
		return Recording{}, err
	}
	limit := p.Workspace.Plan.MaxFileBytes
	body := &sampledReader{r: u.Body, limit: limit}
	var d Description
	note, err := s.voice.Prepare(ctx, voice.Source{Body: body, Limit: limit, Describe: func() (name, mimeType string, err error) {
		if u.Describe != nil {
			d, err = u.Describe()
		}
		return cmp.Or(d.Name, d.SentName), cmp.Or(d.ContentType, d.SentType), err
	}})
	if err != nil {
		return Recording{}, err
	}
	defer func() {
		if err := note.Close(); err != nil {
			s.log.WarnContext(ctx, "a file that was converted stays on disk", "error", err)
		}
	}()
	id, err := uuid.NewV7()
	if err != nil {
		return Recording{}, fmt.Errorf("draw file uid: %w", err)
	}
	f := tideline.File{
		UID: id.String(), WorkspaceID: p.Workspace.ID, MemberID: p.Member.ID, Blob: blobKey(id.String()),
		UploadedBy: p.Member.Email, UploadedAt: s.now(), Size: body.read,
	}
	if err := describe(&f, func() (Description, error) { return d, nil }, body.sample); err != nil {
		return Recording{}, err
	}
	f.MIMEType = voice.MIMEType
	if note.Converted {
		f.Name = strings.TrimSuffix(f.Name, path.Ext(f.Name)) + ".ogg"
	}
	written, err := s.put(ctx, f.Blob, note)
	if err != nil {
		return Recording{}, fmt.Errorf("keep voice note: %w", err)
	}
	f.Size = written.Size
	if f, err = s.storage.CreateFile(ctx, f); err != nil {
		s.discard(ctx, blobKey(id.String()))
		return Recording{}, err
	}
	return Recording{File: f, Duration: note.Duration, Waveform: note.Waveform}, nil
}

// Withdraw removes a file that was kept for one message, which was refused. The
// caller must be sure that the message was not accepted.
func (s *Service) Withdraw(ctx context.Context, f tideline.File) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.storage.WithdrawFile(ctx, f.WorkspaceID, f.ID); err != nil {
		return err
	}
	s.discard(ctx, f.Blob)
	return nil
}
