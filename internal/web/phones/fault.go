package phones

import (
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
)

// aim says at whom a scenario is directed.
type aim int

const (
	phone    aim = iota // messages from and to the phone that is shown
	line                // the business number that is shown, or all of them
	everyone            // faults that know no number
)

// scenario is something that can be made to go wrong, in the words of people:
// its title and explanation are the texts phones.fault.KEY and
// phones.fault.KEY.text.
type scenario struct {
	Key    string
	aim    aim
	faults []scene.Fault
}

// group is scenarios that belong together; its title is phones.faults.KEY.
type group struct {
	Key       string
	Scenarios []scenario
}

// Kinds that act once, when they are set. They are never in the list of faults.
var actNow = []string{
	"cut", "restart", "kick", "logout", "stream_error", "half_open", "lose_sessions", "new_phone", "lose_keys",
}

// scenarios are all faults of the emulator. Those with a count are over by
// themselves, the others last until they are switched off.
func scenarios() []group {
	once := func(key, kind string) scenario {
		return scenario{key, phone, []scene.Fault{{Kind: kind, Count: 1}}}
	}
	now := func(key, kind string, at aim) scenario { return scenario{key, at, []scene.Fault{{Kind: kind}}} }
	login := func(key string, code, count int, lasts time.Duration) scenario {
		// Cut, so that it logs in again now.
		return scenario{key, line, []scene.Fault{{Kind: "refuse_login", Code: code, Count: count, Delay: lasts}, {Kind: "cut"}}}
	}
	const slow = 600 * time.Millisecond
	return []group{
		{"messages", []scenario{
			once("lost_ack", "drop_ack"),
			{"late_ack", phone, []scene.Fault{{Kind: "delay_ack", Delay: 8 * time.Second}}},
			{"refused", phone, []scene.Fault{{Kind: "refuse", Code: 479}}},
			{"stranger", phone, []scene.Fault{{Kind: "refuse", Code: 463}}},
			once("vanished", "drop_message"),
			once("swallowed", "lose_message"),
			{"hidden", phone, []scene.Fault{{Kind: "ignore_number"}}},
			once("unreadable", "fail_decrypt"),
			{"twice", line, []scene.Fault{{Kind: "repeat_message", Count: 1}}},
		}},
		{"connection", []scenario{
			now("cut", "cut", line),
			once("cut_before", "cut_on_message"),
			once("cut_after", "cut_before_ack"),
			{"slow", line, []scene.Fault{{Kind: "delay_up", Delay: slow, Jitter: slow}, {Kind: "delay_down", Delay: slow, Jitter: slow}}},
			now("silent", "half_open", line),
			{"pings", line, []scene.Fault{{Kind: "drop_ping"}}},
			now("restart", "restart", line),
			now("stream", "stream_error", line),
			{"away", everyone, []scene.Fault{{Kind: "refuse_connection", Code: 503}, {Kind: "cut"}}},
		}},
		{"account", []scenario{
			now("elsewhere", "kick", line),
			now("unlinked", "logout", line),
			login("login", 503, 0, 0),
			login("banned", 402, 1, 2*time.Minute),
			login("locked", 403, 1, 0),
			login("outdated", 405, 1, 0),
		}},
		{"media", []scenario{
			{"upload", everyone, []scene.Fault{{Kind: "refuse_upload", Code: 500}}},
			{"upload_host", everyone, []scene.Fault{{Kind: "refuse_upload", Code: 500, FirstHost: true}}},
			{"download", everyone, []scene.Fault{{Kind: "refuse_download", Code: 404}}},
		}},
		{"keys", []scenario{
			now("restored", "lose_sessions", phone),
			now("new_phone", "new_phone", phone),
			now("no_keys", "lose_keys", line),
		}},
	}
}

// find gives a scenario by its key.
func find(key string) (scenario, bool) {
	for _, g := range scenarios() {
		for _, s := range g.Scenarios {
			if s.Key == key {
				return s, true
			}
		}
	}
	return scenario{}, false
}

// at gives the scenario's faults for a phone.
func (s scenario) at(p scene.Phone) []scene.Fault {
	number := ""
	if s.aim == phone || s.aim == line && p.Business() {
		number = p.Number
	}
	out := slices.Clone(s.faults)
	for i := range out {
		out[i].Number = number
		if s.aim == everyone {
			out[i].Number = ""
		}
	}
	return out
}

// Now reports whether the scenario only does something once, at once.
func (s scenario) Now() bool {
	return !slices.ContainsFunc(s.faults, func(f scene.Fault) bool { return !slices.Contains(actNow, f.Kind) })
}

// Once reports whether the scenario is over by itself after the next message or
// login.
func (s scenario) Once() bool { return !s.Now() && s.faults[0].Count > 0 }

// active gives the ids of those of the faults that belong to the scenario.
func (s scenario) active(p scene.Phone, faults []scene.Fault) []string {
	var ids []string
	for _, f := range s.at(p) {
		for _, have := range faults {
			if have.Kind == f.Kind && have.Code == f.Code && have.Number == f.Number && have.FirstHost == f.FirstHost &&
				(have.Count == 0) == (f.Count == 0) {
				ids = append(ids, have.ID)
			}
		}
	}
	return ids
}
