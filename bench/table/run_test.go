package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

// fake puts a shell script in a benchmark's place.
func fake(t *testing.T, script string) (*runner, goals.Run) {
	t.Helper()
	r := &runner{o: &options{}, dir: t.TempDir(), commit: "abc1234"}
	// No other test may start a process while the file is open for writing: it would
	// have it open too for a moment, and a file that is written to can't be run.
	syscall.ForkLock.RLock()
	err := os.WriteFile(filepath.Join(r.dir, "fake"), []byte("#!/bin/sh\n"+script), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return r, goals.Run{ID: "fake", Bench: "fake", Args: []string{"--much"}, Quick: []string{"--little"}, Bound: time.Minute}
}

func TestABenchmarkGivesWhatItPrinted(t *testing.T) {
	t.Parallel()
	r, run := fake(t, `echo "progress" >&2; echo "{\"args\": \"$*\", \"figure\": 1.5}"`)
	got := r.one(t.Context(), run, goals.SQLite)
	if got.Error != "" || got.Command != "go run ./bench/fake --much" || got.Commit != "abc1234" || got.Quick {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(map[string]any{"args": "--much --json", "figure": 1.5}, got.Figures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.o.Quick = true
	if got := r.one(t.Context(), run, goals.SQLite); !got.Quick || got.Figures["args"] != "--little --json" {
		t.Errorf("%+v", got)
	}
}

func TestABenchmarkThatFailsSaysSoAndKeepsItsFigures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script, says string
		bound        time.Duration
		figures      map[string]any
	}{
		"with figures":        {`echo '{"wrong": 2}'; echo "two things are wrong" >&2; exit 1`, "exit status 1: two things are wrong", time.Minute, map[string]any{"wrong": 2.0}},
		"without":             {`echo "no room" >&2; exit 3`, "exit status 3: no room", time.Minute, nil},
		"that prints no JSON": {`echo hello`, "read what it printed", time.Minute, nil},
		"that hangs":          {`exec sleep 600`, "not done within", 50 * time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, run := fake(t, test.script)
			run.Bound = test.bound
			got := r.one(t.Context(), run, goals.SQLite)
			if !strings.Contains(got.Error, test.says) {
				t.Errorf("error %q, want one with %q", got.Error, test.says)
			}
			if diff := cmp.Diff(test.figures, got.Figures); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	t.Parallel()
	if err := checkNames([]string{"accept", "soak"}); err != nil {
		t.Error(err)
	}
	if err := checkNames([]string{"accept", "axept"}); err == nil || !strings.Contains(err.Error(), `"axept"`) {
		t.Errorf("error %v", err)
	}
}

func TestTheDiskIsAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rate, err := fsyncRate(dir, 20*time.Millisecond)
	if err != nil || rate <= 0 {
		t.Errorf("%f a second, error %v", rate, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, error %v", left, err)
	}
	if _, err := fsyncRate(filepath.Join(dir, "none"), time.Millisecond); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
