package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// stack holds what a server is made of, in the order in which it was started.
// It is taken down in the opposite order, each thing after all that may still
// use it.
type stack struct {
	log    *slog.Logger
	layers []layer
	ended  chan error // a part that ended by itself
}

// layer is one thing of a stack: something to close, or a part that runs.
type layer struct {
	name string
	stop func() error
}

func newStack(log *slog.Logger) *stack { return &stack{log: log, ended: make(chan error, 1)} }

// push adds something that is only closed at the end.
func (s *stack) push(name string, stop func() error) {
	s.layers = append(s.layers, layer{name, stop})
}

// start runs a part in the background until the stack is taken down. Its context
// carries ctx's values and not its end: the order decides when a part stops.
func (s *stack) start(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil { // nobody asked it to end
			if err == nil {
				err = errors.New("ended without being asked to")
			}
			select {
			case s.ended <- fmt.Errorf("%s: %w", name, err):
			default: // another one was first
			}
			err = nil // reported already
		}
		if errors.Is(err, context.Canceled) {
			err = nil // it was asked to end before it had begun in earnest
		}
		done <- err
	}()
	s.push(name, func() error {
		cancel()
		return <-done
	})
}

// wait returns nil when ctx ends, and an error when a part ended before.
func (s *stack) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		return err
	}
}

// linger waits for d, or until a part ends by itself: then with an error.
func (s *stack) linger(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-s.ended:
		return err
	}
}

// down takes the stack down, last layer first, and waits for each.
func (s *stack) down() error {
	var errs []error
	for _, l := range slices.Backward(s.layers) {
		s.log.Debug("stopping", "part", l.name)
		if err := l.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", l.name, err))
		}
	}
	s.layers = nil
	return errors.Join(errs...)
}
