package archtest

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// The rooms, by kind. What is under internal/ and in none of these lists is a
// service or a leaf that services use.
var (
	ours       = set{"./..."}
	inner      = set{"./internal/..."}
	commands   = set{"./cmd/..."}
	transports = set{"./internal/httpapi/...", "./internal/web/...", "./internal/mcpserver/..."}
	sqlstore   = set{"./internal/store/sqlstore/..."}
	meow       = set{"./internal/whatsapp/meow/..."}
	adapters   = join(sqlstore, meow, set{"./internal/blob/local/...", "./internal/blob/s3/..."})
	emulator   = set{"./wasim/..."}
	sandbox    = set{"./internal/sandbox/..."}
	measuring  = set{"./bench/...", "./e2e/..."}
	support    = set{
		"./internal/testenv/...", "./internal/archtest/...",
		"./internal/store/storetest/...", "./internal/blob/blobtest/...", "./internal/whatsapp/connectortest/...",
		"./internal/voice/voicetest/...",
	}

	whatsmeow = set{"go.mau.fi/whatsmeow/...", "go.mau.fi/libsignal/..."}
	drivers   = set{"github.com/jackc/pgx/...", "modernc.org/sqlite/..."}
)

// rules is the import direction of the repository:
//
//	cmd → transports → services → domain
//	cmd → adapters → the interface they implement → domain
//
// To change it, change docs/architecture.md with it.
func rules() []rule {
	rules := []rule{
		{
			name:   "the domain stands alone",
			reason: "every room imports internal/tideline, so it can import none of them",
			from:   set{"./internal/tideline"},
			deny:   ours,
			deep:   true,
		},
		{
			name:   "the domain knows no technology",
			reason: "types and rules must be usable and testable without a database, a network or WhatsApp",
			from:   set{"./internal/tideline"},
			deny:   join(set{"net/http", "database/sql"}, whatsmeow, drivers),
		},
		{
			name:   "wasim is a product of its own",
			reason: "it is public: other people point their clients at it, so it may not lean on the server",
			from:   emulator,
			deny:   ours,
			allow:  emulator,
			deep:   true,
			tests:  true,
		},
		{
			name:   "the client is public",
			reason: "it speaks to the server over HTTP only; what it imports, its users get",
			from:   set{"./client/..."},
			deny:   join(inner, commands, emulator),
			deep:   true,
		},
		{
			name:   "services know no transport and no adapter",
			reason: "services are handed interfaces by cmd; with a technology in them they could not be tested or replaced alone",
			from:   inner,
			except: join(transports, adapters, support),
			deny:   join(transports, adapters, commands),
			deep:   true,
		},
		{
			name:   "transports know no adapter",
			reason: "a transport turns requests into calls of services; which storage is behind them is decided in cmd",
			from:   transports,
			deny:   join(adapters, commands),
			deep:   true,
		},
		{
			name:   "nothing imports cmd",
			reason: "cmd wires the parts together and is the end of every chain",
			from:   ours,
			except: commands,
			deny:   commands,
			tests:  true,
		},
		{
			name:   "the emulator stays out of production",
			reason: "only a sandbox run may contain a WhatsApp network; services and transports must not tell it from the real one",
			from:   ours,
			except: join(emulator, sandbox, commands, measuring, support),
			deny:   emulator,
		},
		{
			name:   "only meow speaks whatsmeow",
			reason: "the protocol library changes under us; one package follows it, the emulator is its counterpart",
			from:   ours,
			except: join(meow, emulator, measuring),
			deny:   whatsmeow,
		},
		{
			name:   "database drivers stay in the adapters",
			reason: "SQL lives in sqlstore; meow and wasim keep Signal sessions in files of their own",
			from:   ours,
			except: join(sqlstore, meow, emulator, measuring, set{"./internal/testenv/..."}),
			deny:   drivers,
		},
		{
			name:   "test support stays in tests",
			reason: "it imports testing and starts servers, which the binary must not carry",
			from:   ours,
			except: join(support, measuring),
			deny:   support,
		},
	}
	for adapter, implements := range map[string]string{
		"./internal/store/sqlstore": "./internal/store",
		"./internal/blob/local":     "./internal/blob",
		"./internal/blob/s3":        "./internal/blob",
		"./internal/whatsapp/meow":  "./internal/whatsapp",
	} {
		rules = append(rules, rule{
			name:   adapter + " knows the domain and its interface",
			reason: "an adapter that knows a service or another adapter cannot be replaced alone",
			from:   set{adapter + "/..."},
			deny:   ours,
			allow:  set{"./internal/tideline", implements, adapter + "/..."},
			deep:   true,
		})
	}
	return rules
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, v := range check(loadGraph(t, testenv.ModuleRoot(t)), rules()) {
		t.Error(v)
	}
}
