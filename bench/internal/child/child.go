// Package child runs parts of a benchmark in processes of their own, so that what
// is measured of one is not another's. Each is the benchmark's own program, started
// again in a role that the environment names.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"
)

const (
	roleEnv   = "TIDELINE_BENCH_ROLE"
	configEnv = "TIDELINE_BENCH_CONFIG" // JSON
)

// patience is how long a process may take to end when it is asked to.
const patience = 30 * time.Second

// Process is a running child.
type Process struct {
	cmd   *exec.Cmd
	alive io.Closer // its standard input: it ends when this is closed, so also with us
	ended chan struct{}
	err   error // of its end
}

// Start runs this program in a role, hands it config, and waits for the line of
// JSON by which it says that it is ready, which goes into ready.
func Start(ctx context.Context, role string, config, ready any) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	told, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(self), ended: make(chan struct{})} //nolint:noctx // Stop ends it, in good order
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, configEnv+"="+string(told))
	p.cmd.Stderr = os.Stderr
	if p.alive, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	unwatch := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() }) // which ends the reading
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, ready)
	}
	if !unwatch() {
		err = ctx.Err()
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err != nil {
		_ = p.Stop()
		return nil, fmt.Errorf("start the %s: %w", role, err)
	}
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the process to end and waits for it; one that hangs is killed. Doing it
// twice is fine.
func (p *Process) Stop() error {
	_ = p.alive.Close()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("process %d did not end within %s and was killed", p.PID(), patience)
	}
}

// Roles are what a program can be beside itself. Each runs until ctx ends, after
// it said with Ready that it can be used.
type Roles map[string]func(ctx context.Context) error

// Play runs the role that this process was started in, if any; asked is false in
// the process that a person started.
func (r Roles) Play() (asked bool, err error) {
	role := os.Getenv(roleEnv)
	if role == "" {
		return false, nil
	}
	run := r[role]
	if run == nil {
		return true, fmt.Errorf("no role %q", role)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// A Ctrl-C in the terminal reaches all processes; the first one decides.
	signal.Ignore(os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		cancel()
	}()
	return true, run(ctx)
}

// Config reads what Start was handed.
func Config(into any) error {
	if err := json.Unmarshal([]byte(os.Getenv(configEnv)), into); err != nil {
		return fmt.Errorf("%s: %w", configEnv, err)
	}
	return nil
}

// Ready prints the line that Start waits for.
func Ready(ready any) error {
	line, err := json.Marshal(ready)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(line))
	return err
}
