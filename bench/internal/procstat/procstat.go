// Package procstat reads what the kernel counts about a process.
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Stat is a process's counters so far.
type Stat struct {
	CPU     time.Duration // user and system
	RSS     int64         // resident bytes now
	Written int64         // bytes passed to write(2) and its kin, sockets included
}

// Read gives the counters of the process pid from /proc (Linux).
func Read(pid int) (Stat, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Stat{}, fmt.Errorf("read process counters: %w", err)
	}
	// proc(5): the name in brackets may hold spaces; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return Stat{}, fmt.Errorf("read process counters: %q", stat)
	}
	ticks := number(fields[11]) + number(fields[12])
	s := Stat{
		CPU: time.Duration(ticks) * (time.Second / 100), // USER_HZ is 100 on every Linux port Go runs on
		RSS: number(fields[21]) * int64(os.Getpagesize()),
	}
	io, err := os.ReadFile(dir + "/io")
	if err != nil {
		return Stat{}, fmt.Errorf("read process counters: %w", err)
	}
	for line := range strings.Lines(string(io)) {
		if v, ok := strings.CutPrefix(line, "wchar: "); ok {
			s.Written = number(strings.TrimSpace(v))
		}
	}
	return s, nil
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
