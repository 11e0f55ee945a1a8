package config

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// parser is a command line like the real one: common flags, serve, another command.
type parser struct {
	Common
	Serve struct{ Serve } `cmd:""`
	Token struct {
		Name string
	} `cmd:""`
}

func parse(t *testing.T, file string, args ...string) (*parser, error) {
	t.Helper()
	var p parser
	k, err := kong.New(&p, kong.DefaultEnvars("TIDELINE"), kong.Exit(func(int) { t.Error("exit") }))
	if err != nil {
		t.Fatal(err)
	}
	if file != "" {
		f, err := parseFile("test.json", []byte(file))
		if err != nil {
			return nil, err
		}
		if err := kong.Resolvers(f).Apply(k); err != nil {
			t.Fatal(err)
		}
	}
	_, err = k.Parse(args)
	return &p, err
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Setenv("TIDELINE_SEND_DEADLINE", "2h")
	t.Setenv("TIDELINE_RATE_LIMIT", "5")
	file := `{"send-deadline": "3h", "rate-limit": 7, "log-level": "warn", "listen": "127.0.0.1:9", "sandbox": true, "trusted-proxy": ["10.0.0.0/8"]}`
	p, err := parse(t, file, "serve", "--rate-limit", "1.5")
	if err != nil {
		t.Fatal(err)
	}
	got := []any{p.Serve.RateLimit, p.Serve.SendDeadline, p.Serve.LogLevel, p.Serve.LogFormat, p.Listen, p.Sandbox, len(p.Serve.TrustedProxy)}
	want := []any{1.5, 2 * time.Hour, "warn", "text", "127.0.0.1:9", true, 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFileSetsOnlySettings(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		`{"lisen": "127.0.0.1:9"}`: `sets "lisen", which is the name of no flag; those of the server are allow-network, data, database, ffmpeg, files, history-days, json, listen, log-format`,
		`{"help": true}`:           `sets "help"`,
		`["listen"]`:               "is not a JSON object",
		`{} {}`:                    "keep one object",
		`{"listen": {"port": 1}}`:  "must be a string, a number",
	} {
		if _, err := parse(t, file, "serve"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", file, err, want)
		}
	}
	p, err := parse(t, `{"rate-limit": 3, "name": "x"}`, "token")
	if err != nil || p.Token.Name != "x" {
		t.Errorf("another command: %v, name %q; want x", err, p.Token.Name)
	}
}

func TestPromise10LoopbackByDefault(t *testing.T) {
	t.Parallel()
	p, err := parse(t, "", "serve")
	if err != nil {
		t.Fatal(err)
	}
	if !ListensOnLoopback(p.Listen) {
		t.Errorf("the default address %s can be reached from elsewhere", p.Listen)
	}
}

func TestPromise10SandboxStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	serve := Serve{RateLimit: 1, SendDeadline: time.Hour}
	for _, c := range []Common{
		{Listen: ":8080"},
		{Listen: "0.0.0.0:8080"},
		{Listen: "[::]:8080"},
		{Listen: "192.168.1.2:8080"},
		{Listen: "127.0.0.1:1", Database: "postgres://db.example.com/x"},
		{Listen: "127.0.0.1:1", Database: "postgres://localhost,db.example.com/x"},
		{Listen: "127.0.0.1:1", Database: "postgres://localhost/x?host=10.0.0.1"},
		{Listen: "127.0.0.1:1", Database: "postgres://localhost/x?hostaddr=10.0.0.1"},
		{Listen: "127.0.0.1:1", Database: "postgres:///x"},
	} {
		if err := serve.Check(&c); err != nil {
			t.Errorf("production refuses %+v: %v", c, err)
		}
		c.Sandbox = true
		if err := serve.Check(&c); !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("sandbox takes %+v: %v", c, err)
		}
	}
	for _, c := range []Common{
		{Listen: "localhost:0"},
		{Listen: "[::1]:8080"},
		{Listen: "127.0.0.9:8080", Database: "postgres://u:p@127.0.0.1:5432/x"},
		{Listen: "127.0.0.1:8080", Database: "postgres:///x?host=/run/postgresql"},
		{Listen: "127.0.0.1:8080", Database: "postgres://[::1]/x"},
	} {
		c.Sandbox = true
		if err := serve.Check(&c); err != nil {
			t.Errorf("sandbox refuses %+v: %v", c, err)
		}
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	good := func() (Common, Serve) {
		return Common{Listen: "127.0.0.1:8080"}, Serve{SendDeadline: time.Hour}
	}
	for name, spoil := range map[string]func(*Common, *Serve){
		"no port":         func(c *Common, _ *Serve) { c.Listen = "127.0.0.1" },
		"port too large":  func(c *Common, _ *Serve) { c.Listen = "127.0.0.1:70000" },
		"host name":       func(c *Common, _ *Serve) { c.Listen = "example.com:80" },
		"slug":            func(c *Common, _ *Serve) { c.Workspace = "Not A Slug" },
		"database scheme": func(c *Common, _ *Serve) { c.Database = "mysql://x/y" },
		"database URL":    func(c *Common, _ *Serve) { c.Database = "postgres://u:pa%ss@x/y" },
		"rate":            func(_ *Common, s *Serve) { s.RateLimit = -1 },
		"deadline":        func(_ *Common, s *Serve) { s.SendDeadline = time.Second },
		"history":         func(_ *Common, s *Serve) { s.HistoryDays = -1 },
		"public url":      func(_ *Common, s *Serve) { s.PublicURL = "chat.example.com" },
	} {
		c, s := good()
		spoil(&c, &s)
		err := s.Check(&c)
		if !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("%s: error %v, want validation_error", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "pa%ss") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
	c, s := good()
	if err := s.Check(&c); err != nil {
		t.Errorf("good settings: %v", err)
	}
}
