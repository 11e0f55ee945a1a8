package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is what the figures are of.
type machine struct {
	Date       string  `json:"date"`
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	MemoryGiB  float64 `json:"memory_gib"`
	Fsyncs     float64 `json:"fsyncs_per_second"` // of 4 KiB each, in the folder of the databases
	OS         string  `json:"os"`
	Go         string  `json:"go"`
	PostgreSQL string  `json:"postgresql,omitzero"`
}

// lookAround finds out what the machine is.
func lookAround(dir string) (machine, error) {
	fsyncs, err := fsyncRate(dir, time.Second)
	if err != nil {
		return machine{}, fmt.Errorf("measure fsync: %w", err)
	}
	return machine{
		Date: today(), CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), MemoryGiB: memory(), Fsyncs: fsyncs,
		OS: runtime.GOOS + "/" + runtime.GOARCH, Go: strings.TrimPrefix(runtime.Version(), "go"),
	}, nil
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// fsyncRate writes and syncs 4 KiB after the other for d.
func fsyncRate(dir string, d time.Duration) (perSecond float64, err error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := make([]byte, 4096)
	n, began := 0, time.Now()
	for ; time.Since(began) < d; n++ {
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// field reads a line "name : value" of a file of /proc; "" on other systems.
func field(path, name string) string {
	text, _ := os.ReadFile(path) // a machine that doesn't tell is described by the rest
	for line := range strings.Lines(string(text)) {
		if n, v, found := strings.Cut(line, ":"); found && strings.TrimSpace(n) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func memory() float64 {
	number, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	kib, _ := strconv.ParseFloat(number, 64) // 0 = not told
	return kib / (1 << 20)
}

// busy gives how many cores work during d; 0 where the system doesn't tell.
func busy(ctx context.Context, d time.Duration) float64 {
	before, began := workSoFar(), time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return (workSoFar() - before).Seconds() / time.Since(began).Seconds()
}

// workSoFar is the processor time of the machine: of the line "cpu" of /proc/stat
// (proc(5)) all but idling and waiting for disks.
func workSoFar() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	ticks := int64(0)
	for i, number := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // its name; idle, iowait; guests, who count as user
			continue
		}
		n, _ := strconv.ParseInt(number, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// commit is the sources' version; "unknown" outside a repository.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	id := strings.TrimSpace(string(out))
	// What this command writes itself is no change of what is measured.
	if err := exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD", "--", "*.go", "*.sql", "go.mod").Run(); err != nil {
		id += "+"
	}
	return id
}
