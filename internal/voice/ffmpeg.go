package voice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// drawTimeout bounds the drawing of a waveform for a file that goes out as it
	// is. The note is as good without one.
	drawTimeout = 10 * time.Second
	// killWait is how long the pipes of a program that was killed may stay open.
	killWait = 5 * time.Second
	// maxComplaint is how much of what ffmpeg says is kept, in bytes.
	maxComplaint = 2 << 10
	versionWait  = 10 * time.Second
)

// errSlow says that a conversion took longer than it may.
var errSlow = errors.New("ffmpeg takes too long")

// Version gives the path of ffmpeg and its version as it says it itself, such as
// "ffmpeg version 5.1.9". It is an error when there is none that runs.
func (c *Converter) Version(ctx context.Context) (path, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, versionWait)
	defer cancel()
	if path, err = exec.LookPath(c.cfg.FFmpeg); err != nil {
		return "", "", err
	}
	cmd := command(ctx, path, "-hide_banner", "-version")
	out := &beginningWriter{limit: maxComplaint}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("run %s: %w", path, err)
	}
	version, _, _ = strings.Cut(out.b.String(), "\n")
	version, _, _ = strings.Cut(version, " Copyright")
	return path, strings.TrimSpace(version), nil
}

// convert writes the sound of a file as a voice note and draws its waveform.
// found describes the file for people.
func (c *Converter) convert(ctx context.Context, format, in, out string, limit int64, found string) ([]byte, error) {
	program, err := exec.LookPath(c.cfg.FFmpeg)
	if err != nil {
		return nil, blame("is %s and must be converted, for which the server needs ffmpeg: install it there, or send Opus in Ogg (.ogg, .oga, .opus), which needs no conversion", found)
	}
	args := append(input(format, in),
		"-map", "0:a:0", "-map_metadata", "-1", "-ac", "1", "-ar", "48000",
		"-c:a", "libopus", "-b:a", "32k", "-application", "voip",
		"-fs", strconv.FormatInt(limit+1, 10), "-f", "ogg", "file:"+out)
	l, err := c.run(ctx, c.cfg.Timeout, program, append(args, pcm()...))
	failure, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case errors.Is(err, errSlow):
		return nil, blame("is %s and takes longer than %s to convert: send Opus in Ogg (.ogg, .oga, .opus), which needs no conversion", found, c.cfg.Timeout)
	case failed && failure.ExitCode() > 0 && !strings.Contains(err.Error(), "encoder"):
		return nil, blame("is %s and can't be converted: ffmpeg finds no sound in it that it can read", found)
	case err != nil: // also a program without libopus ("Unknown encoder")
		return nil, fmt.Errorf("convert a recording: %w", err)
	}
	return l.waveform(), nil
}

// draw gives the waveform of a note that goes out as it is; nil when that can't
// be had.
func (c *Converter) draw(ctx context.Context, in string) []byte {
	program, err := exec.LookPath(c.cfg.FFmpeg)
	if err != nil {
		return nil
	}
	l, err := c.run(ctx, min(drawTimeout, c.cfg.Timeout), program, append(input("ogg", in), pcm()...))
	if err != nil {
		return nil
	}
	return l.waveform()
}

// input are the arguments with which ffmpeg reads one file and nothing else.
func input(format, path string) []string {
	return []string{
		"-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1",
		"-protocol_whitelist", "file", "-f", format, "-i", "file:" + path,
	}
}

// pcm are the arguments with which ffmpeg writes what loudness reads.
func pcm() []string {
	return []string{"-map", "0:a:0", "-ac", "1", "-ar", strconv.Itoa(pcmRate), "-f", "s16le", "pipe:1"}
}

// run runs ffmpeg and listens to the sound that it writes. At most cap(c.slot)
// programs run at a time.
func (c *Converter) run(ctx context.Context, timeout time.Duration, program string, args []string) (*loudness, error) {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSlow)
	defer cancel()
	cmd := command(ctx, program, args...)
	complaint := &beginningWriter{limit: maxComplaint}
	cmd.Stderr = complaint
	l := newLoudness()
	sound, w := io.Pipe()
	cmd.Stdout = w
	heard := make(chan error, 1)
	go func() {
		err := l.readPCM(sound)
		_ = sound.CloseWithError(err) // never fails
		heard <- err
	}()
	err := cmd.Run()
	_ = w.Close() // never fails
	hearing := <-heard
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("ffmpeg: %w: %q", err, complaint.b.String())
	}
	return l, hearing
}

// command is a program that inherits nothing but what it needs to run, and is
// killed when ctx ends.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = killWait
	return cmd
}

// beginningWriter keeps the first bytes that are written to it.
type beginningWriter struct {
	limit int
	b     bytes.Buffer
}

func (w *beginningWriter) Write(p []byte) (int, error) {
	if room := w.limit - w.b.Len(); room > 0 {
		w.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
