package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// network is the emulated WhatsApp, in this process, with its phones.
type network struct {
	sim       *wasim.Server
	accounts  []string // numbers
	customers []string
}

func openNetwork(ctx context.Context, o *options) (*network, error) {
	const latency = 5 * time.Millisecond
	sim, err := wasim.Start(ctx, wasim.Options{Control: true, Latency: latency})
	if err != nil {
		return nil, err
	}
	n := &network{sim: sim}
	add := func(list *[]string, number, name string) {
		if err == nil {
			_, err = sim.AddPhone(ctx, wasim.PhoneOptions{Number: number, Name: name})
		}
		*list = append(*list, number)
	}
	for i := range o.Accounts {
		add(&n.accounts, fmt.Sprintf("+1484%07d", 1000000+i), fmt.Sprintf("Shop %d", i))
	}
	for i := range o.Customers {
		add(&n.customers, fmt.Sprintf("+1610%07d", 2000000+i), fmt.Sprintf("Customer %d", i))
	}
	if err != nil {
		return nil, errors.Join(err, sim.Close())
	}
	return n, nil
}

func (n *network) url() string { return "http://" + n.sim.Addr() }

// shown reads what all customers' phones show, in the order of arrival.
func (n *network) shown() ([]shown, error) {
	var all []shown
	for _, number := range n.customers {
		phone, _ := n.sim.Phone(number)
		log, err := phone.Messages()
		if err != nil {
			return nil, err
		}
		for i := range log {
			if m := &log[i]; !m.FromMe {
				all = append(all, shown{Phone: number, From: m.From, ID: m.ID, Text: m.Text, At: m.ArrivedAt, Attempts: m.Attempts})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b shown) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}
