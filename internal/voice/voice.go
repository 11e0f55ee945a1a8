package voice

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gabriel-vasile/mimetype"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// MIMEType is the type of a voice note.
const MIMEType = "audio/ogg; codecs=opus"

// Defaults of Config.
const (
	DefaultTimeout = 2 * time.Minute
	defaultFFmpeg  = "ffmpeg"
)

// Config adjusts a Converter. The zero value is good.
type Config struct {
	// FFmpeg is the program that converts, by name or path; "" = ffmpeg, as PATH
	// has it.
	FFmpeg string
	// Dir is a folder for files that exist while they are converted, see Sweep;
	// it is made when it is missing. "" = the system's folder for such files.
	Dir string
	// Timeout bounds the conversion of one file; 0 = DefaultTimeout.
	Timeout time.Duration
}

// Converter makes voice notes. It is safe for concurrent use: of conversions, as
// many run at a time as half the processors can do.
type Converter struct {
	cfg  Config
	slot chan struct{}
}

// New makes a Converter. It looks for ffmpeg at each use, so that one installed
// later is found.
func New(cfg Config) *Converter {
	if cfg.FFmpeg == "" {
		cfg.FFmpeg = defaultFFmpeg
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	return &Converter{cfg: cfg, slot: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// Sweep deletes what a crash left in the folder for conversions. Call it before
// the first one.
func (c *Converter) Sweep() error {
	if c.cfg.Dir == "" {
		return nil // not ours alone
	}
	if err := os.RemoveAll(c.cfg.Dir); err != nil {
		return fmt.Errorf("sweep the folder for conversions: %w", err)
	}
	return nil
}

// Source is an audio file that somebody gave.
type Source struct {
	Body     io.Reader // read to the end
	Limit    int64     // bytes that the note may have
	Describe func() (name, mimeType string, err error)
}

// Note is a voice note in a file of its own, until Close.
type Note struct {
	*os.File // at its beginning

	Converted bool
	Duration  time.Duration
	Waveform  []byte // WaveformSize values; nil = not known

	folder string
}

// Close deletes the file.
func (n *Note) Close() error { return errors.Join(n.File.Close(), os.RemoveAll(n.folder)) }

// Prepare makes a voice note of a file. Describe is called once the file was
// read; it may be nil. Errors: validation_error naming the field file, when it
// is no audio, is damaged, or can't be converted; what Body and Describe give; and
// those of the disk.
func (c *Converter) Prepare(ctx context.Context, src Source) (_ *Note, err error) {
	if c.cfg.Dir != "" {
		if err := os.MkdirAll(c.cfg.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder for conversions: %w", err)
		}
	}
	folder, err := os.MkdirTemp(c.cfg.Dir, "voice-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for a conversion: %w", err)
	}
	n := &Note{folder: folder}
	defer func() {
		if err != nil {
			if n.File != nil {
				_ = n.File.Close() // its end is what matters
			}
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	if n.File, err = os.OpenFile(filepath.Join(folder, "given"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("keep a file for its conversion: %w", err)
	}
	if _, err = io.Copy(n.File, src.Body); err != nil {
		return nil, err
	}
	var declared declaration
	if src.Describe != nil {
		if declared.name, declared.mimeType, err = src.Describe(); err != nil {
			return nil, err
		}
	}
	samples, wrong := c.measure(n.File)
	if wrong == nil {
		n.Waveform = c.draw(ctx, n.Name())
		n.Duration = length(samples)
		return n, rewind(n.File)
	}
	if isDiskError(wrong) {
		return nil, fmt.Errorf("read a file to be converted: %w", wrong)
	}
	if errors.Is(wrong, errNotOgg) {
		done, err := c.repack(n)
		if err != nil {
			return nil, err
		}
		if done {
			n.Waveform = c.draw(ctx, n.Name())
			return n, rewind(n.File)
		}
	}
	if err = c.replace(ctx, n, src.Limit, declared, wrong); err != nil {
		return nil, err
	}
	return n, nil
}

// replace puts the converted file in the place of the one that was given. why
// says what kept that from being sent as it is.
func (c *Converter) replace(ctx context.Context, n *Note, limit int64, declared declaration, why error) error {
	sample, err := beginning(n.File)
	if err != nil {
		return fmt.Errorf("read a file to be converted: %w", err)
	}
	found := mimetype.Detect(sample).String()
	format := formatOf(found, declared)
	if format == "" {
		return blame("is not audio but %s: send Opus in Ogg (.ogg, .oga, .opus), which needs no conversion, or another audio file such as .mp3", plainType(found))
	}
	if !errors.Is(why, errNotOgg) {
		found += ", " + why.Error() // e.g. "audio/ogg, not Opus"
	}
	out := filepath.Join(n.folder, "note.ogg")
	if n.Waveform, err = c.convert(ctx, format, n.Name(), out, limit, found); err != nil {
		return err
	}
	if err := n.File.Close(); err != nil {
		return fmt.Errorf("read a file to be converted: %w", err)
	}
	if n.File, err = os.Open(out); err != nil {
		return fmt.Errorf("read a converted file: %w", err)
	}
	info, err := n.Stat()
	if err != nil {
		return fmt.Errorf("read a converted file: %w", err)
	}
	if info.Size() > limit {
		return tooLong(limit)
	}
	samples, err := c.measure(n.File)
	switch {
	case errors.Is(err, errNoSamples):
		return blame("has no sound in it")
	case err != nil:
		return fmt.Errorf("ffmpeg wrote something that is not a voice note: %w", err)
	}
	n.Converted, n.Duration = true, length(samples)
	return rewind(n.File)
}

// tooLong is the error for a note that becomes larger than allowed.
func tooLong(limit int64) error {
	return tideline.Errorf(tideline.CodeTooLarge, "The recording is too long: as a voice note it is larger than the %d bytes that the workspace's plan allows", limit)
}

// measure reads a file from its beginning as Opus in Ogg.
func (c *Converter) measure(f *os.File) (samples int64, err error) {
	if err := rewind(f); err != nil {
		return 0, err
	}
	return readOpus(bufio.NewReaderSize(f, 64<<10))
}

// isDiskError tells a file that could not be read from one that is not a note.
func isDiskError(err error) bool {
	_, disk := errors.AsType[*os.PathError](err)
	return disk
}

func length(samples int64) time.Duration {
	return time.Duration(samples) * time.Second / opusRate
}

func rewind(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// beginning gives the first bytes of a file, to tell its type from.
func beginning(f *os.File) ([]byte, error) {
	b := make([]byte, 3072) // as many as mimetype looks at
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// blame makes the error for a file that can't become a voice note.
func blame(format string, args ...any) error {
	return tideline.Invalid([]tideline.FieldError{{Path: []string{"file"}, Msg: fmt.Sprintf(format, args...)}})
}
