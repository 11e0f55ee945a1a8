package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/client"
)

// traffic is what programs and people do meanwhile.
type traffic struct {
	o    *options
	net  *network
	way  *balancer
	mu   sync.Mutex
	told []accepted
	said []said
	// asked holds the text of every message that was asked for.
	asked map[string]bool
	wrong []string

	lost, refused atomic.Int64
	restarting    atomic.Int64 // odd during a rolling restart
	during, fails atomic.Int64 // requests, and failed ones, within a rolling restart
}

// programs lets two programs per account send until ctx ends, and returns when
// each has the answer to its last message.
func (t *traffic) programs(ctx context.Context) {
	var all sync.WaitGroup
	for i, account := range t.net.accounts {
		for j := range 2 {
			to := t.net.customers[(i+j)%len(t.net.customers)]
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-ctx.Done():
						return
					case <-time.After(rand.N(2 * t.o.Think)): // thinking, not waiting for something
					}
					t.send(context.WithoutCancel(ctx), client.Message{
						Phone: to, AccountPhone: account, Text: fmt.Sprintf("program %d.%d message %d", i, j, n),
						IdempotencyKey: fmt.Sprintf("p%d-%d-%d", i, j, n),
					})
				}
			})
		}
	}
	all.Wait()
}

// answerWithin bounds how long a program goes on asking for one message.
const answerWithin = 3 * time.Minute

// send asks until a node answers.
func (t *traffic) send(ctx context.Context, m client.Message) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	t.mu.Lock()
	t.asked[m.Text] = true
	t.mu.Unlock()
	for ctx.Err() == nil {
		l := t.way.pick()
		if l == nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		before := t.restarting.Load()
		sent, err := l.api.Send(ctx, m)
		restart := before%2 == 1 && t.restarting.Load() == before
		if restart {
			t.during.Add(1)
		}
		if err == nil {
			t.mu.Lock()
			t.told = append(t.told, accepted{UID: sent.MessageUID, Account: m.AccountPhone, To: m.Phone, Text: m.Text})
			t.mu.Unlock()
			return
		}
		if restart {
			t.fails.Add(1)
			t.note("a request failed during a rolling restart: %v", err)
		}
		refusal, answered := errors.AsType[*client.Error](err)
		switch {
		case !answered:
			t.lost.Add(1)
		case refusal.Status >= http.StatusInternalServerError:
			t.refused.Add(1)
		default:
			t.note("%q was refused: %v", m.Text, err)
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
	t.note("%q got no answer in %s", m.Text, answerWithin)
}

// people lets customers write to accounts until ctx ends.
func (t *traffic) people(ctx context.Context) {
	var all sync.WaitGroup
	for i, number := range t.net.customers {
		phone, _ := t.net.sim.Phone(number)
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(rand.N(3 * t.o.Think)): // thinking, not waiting for something
				}
				account := t.net.accounts[rand.IntN(len(t.net.accounts))]
				text := fmt.Sprintf("person %d message %d", i, n)
				id, err := phone.Send(context.WithoutCancel(ctx), account, text)
				if err != nil {
					t.note("%s could not write to %s: %v", number, account, err)
					continue
				}
				t.mu.Lock()
				t.said = append(t.said, said{ID: id, From: number, Account: account, Text: text})
				t.mu.Unlock()
			}
		})
	}
	all.Wait()
}

func (t *traffic) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// pause waits for d, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
