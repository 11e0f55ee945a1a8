package goals

import (
	"fmt"
	"time"
)

// Runs gives the benchmarks in the order of the table.
func Runs() []Run {
	return []Run{
		{
			ID: "accept", Bench: "accept", Args: []string{"--stored", "1000000", "--rounds", "5"},
			Quick: []string{"--stored", "20000", "--rounds", "1", "--slice", "1s"}, Bound: 16 * time.Minute,
		},
		{
			ID: "outbox", Bench: "outbox", Args: []string{"--seconds", "40"},
			Quick: []string{"--seconds", "16"}, Only: SQLite, Bound: 2 * time.Minute,
		},
		{
			ID: "accounts", Bench: "accounts", Args: []string{"--accounts", "1000", "--messages", "0", "--seconds", "500"},
			Quick: []string{"--accounts", "50", "--messages", "0"}, Bound: 9 * time.Minute,
		},
		{
			ID: "messages", Bench: "accounts", Args: []string{"--accounts", "200", "--messages", "3000"},
			Quick: []string{"--accounts", "50", "--messages", "300"}, Bound: 6 * time.Minute,
		},
		{
			ID: "steady", Bench: "accounts", Args: []string{"--steady", "--accounts", "1000", "--minutes", "10", "--seconds", "600"},
			Quick: []string{"--steady", "--accounts", "50", "--minutes", "0.5"}, Only: SQLite, Bound: 22 * time.Minute,
		},
		{
			ID: "mixed", Bench: "mixed", Args: []string{"--rounds", "6"},
			Quick: []string{"--rounds", "1", "--slice", "3s", "--accounts", "20"}, Bound: 6 * time.Minute,
		},
		{
			ID: "webhooks", Bench: "webhooks", Args: []string{"--rounds", "5"},
			Quick: []string{"--rounds", "1", "--events", "1000", "--steady", "2s"}, Bound: 4 * time.Minute,
		},
		{
			ID: "reads", Bench: "reads", Args: []string{"--chats", "100000", "--messages", "1000000"},
			Quick: []string{"--chats", "2000", "--messages", "20000", "--slice", "200ms"}, Bound: 16 * time.Minute,
		},
		{
			ID: "inbox", Bench: "inbox", Args: []string{"--chats", "100000"},
			Quick: []string{"--chats", "500", "--loads", "1", "--switches", "5"}, Only: SQLite, Bound: 16 * time.Minute,
		},
		{
			ID: "soak", Bench: "soak", Args: []string{"--minutes", "3", "--seed", "7"},
			Quick: []string{"--minutes", "0.3", "--accounts", "24", "--customers", "8", "--rate", "15"}, Only: SQLite, Bound: 10 * time.Minute,
		},
	}
}

// List gives the goals in the order of the table.
func List() []Goal {
	var list []Goal
	for _, conns := range []int{64, 256} {
		list = append(list, accepting(conns)...)
	}
	for _, lanes := range []int{10_000, 100_000} {
		list = append(list, pacing(lanes)...)
	}
	return append(list,
		Goal{ID: "memory", Run: "accounts", Key: "rss_kib_per_account", Text: "resident memory per connected, idle account, of 1,000", Limit: 400, Unit: "KiB"},
		Goal{ID: "reconnect", Run: "accounts", Key: "reconnect_seconds", Text: "connecting 1,000 accounts after a restart", Limit: 20, Unit: "s"},
		Goal{ID: "message_cpu", Run: "messages", Key: "cpu_ms_per_message", Text: "processor time per message, from its acceptance to its acknowledgement", Limit: 3, Unit: "ms"},
		Goal{ID: "steady_wrong", Run: "steady", Key: "wrong", Text: "1,000 accounts for 10 minutes: what did not arrive once"},
		Goal{ID: "steady_lateness", Run: "steady", Key: "lateness_p99_ms", Text: "the same: lateness of sends, p99", Limit: 25, Unit: "ms"},
		Goal{ID: "mixed_accept", Run: "mixed", Key: "accept_p99_over_null", Text: "everything at once, half load: p99 of accepting ÷ p99 of null", Limit: 2},
		Goal{ID: "mixed_lateness", Run: "mixed", Key: "lateness_p99_ms", Text: "the same: lateness of sends, p99", Limit: 25, Unit: "ms"},
		Goal{ID: "mixed_delivery", Run: "mixed", Key: "event_to_delivery_p95_ms", Text: "the same: event to webhook delivery, p95", Limit: 100, Unit: "ms"},
		Goal{ID: "mixed_list", Run: "mixed", Key: "list_p95_ms", Text: "the same: list of an open page, p95", Limit: 50, Unit: "ms"},
		Goal{ID: "mixed_page", Run: "mixed", Key: "written_to_page_p95_ms", Text: "the same: a customer writes, the open page has it, p95", Limit: 500, Unit: "ms"},
		Goal{ID: "webhook_ratio", Run: "webhooks", Key: "durable_over_raw", Text: "durable deliveries ÷ signed POSTs that nothing remembers", Limit: 0.5, AtLeast: true},
		Goal{ID: "webhook_delivery", Run: "webhooks", Key: "event_to_delivery_p95_ms", Text: "event to delivery at 200 a second, p95", Limit: 100, Unit: "ms"},
		Goal{ID: "reads", Run: "reads", Key: "slowest_p95_ms", Text: "the slowest list or lookup of 100,000 chats, p95", Limit: 50, Unit: "ms"},
		Goal{ID: "page_weight", Run: "inbox", Key: "page_bytes", Text: "first page of the inbox with all that it loads, compressed", Limit: 100, Unit: "KB", Scale: 1000},
		Goal{ID: "page_ready", Run: "inbox", Key: "interactive_p50_ms", Text: "it can be used, processor 4 times slower, median", Limit: 1, Unit: "s", Scale: 1000},
		Goal{ID: "page_change", Run: "inbox", Key: "switch_p95_ms", Text: "change to a chat, p95", Limit: 100, Unit: "ms"},
		Goal{ID: "soak_unaccounted", Run: "soak", Key: "unaccounted", Text: "messages under random faults that are not accounted for"},
		Goal{ID: "soak_heap", Run: "soak", Key: "heap_slope_percent_per_minute", Text: "growth of the heap meanwhile", Limit: 2, Unit: "% a minute"},
		Goal{ID: "soak_goroutines", Run: "soak", Key: "goroutines_left", Text: "goroutines left when the server stopped"},
	)
}

// accepting are the goals of POST /messages over so many connections.
func accepting(conns int) []Goal {
	of := map[int]struct{ null, naive, commits float64 }{64: {0.28, 8, 25}, 256: {0.40, 12, 100}}[conns]
	goal := func(id, key, text string, g Goal) Goal {
		g.ID, g.Run, g.Key = fmt.Sprintf("accept_%s_%d", id, conns), "accept", fmt.Sprintf("%s_%d", key, conns)
		g.Text = fmt.Sprintf("%s, %d connections", text, conns)
		return g
	}
	return []Goal{
		goal("null", "durable_over_null", "accepted ÷ requests of a null handler, 1 M stored", Goal{Limit: of.null, AtLeast: true}),
		goal("naive", "durable_over_naive", "accepted ÷ one transaction each", Goal{Limit: of.naive, AtLeast: true}),
		goal("p99", "p99_over_null", "p99 ÷ p99 of null", Goal{Limit: 2}),
		goal("commits", "commits_per_message", "commits per message", Goal{Limit: 1 / of.commits}),
		// PostgreSQL's files are another process's.
		goal("bytes", "bytes_per_message", "written per message", Goal{Limit: 10, Unit: "KB", Scale: 1000, Only: SQLite}),
		goal("stored", "stored_over_empty", "rate with 1 M stored ÷ rate when empty", Goal{Limit: 0.8, AtLeast: true, Only: SQLite}),
	}
}

// pacing are the goals of so many lanes, whole thousands.
func pacing(lanes int) []Goal {
	goal := func(id, key, text string, g Goal) Goal {
		g.ID, g.Run, g.Key = fmt.Sprintf("pacer_%s_%d", id, lanes), "outbox", fmt.Sprintf("%s_%d", key, lanes)
		g.Text = fmt.Sprintf("%s, %d,000 lanes", text, lanes/1000)
		return g
	}
	return []Goal{
		goal("lateness", "lateness_p99_ms", "lateness of paced sends, p99", Goal{Limit: 10, Unit: "ms"}),
		goal("early", "early", "handed out early", Goal{}),
		goal("memory", "bytes_per_lane", "memory per lane", Goal{Limit: 64, Unit: "B"}),
	}
}
