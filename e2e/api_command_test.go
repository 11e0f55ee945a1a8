package e2e

import (
	"strings"
	"testing"
)

// With a token, commands ask a server as the token's member: they need no data
// folder, and may do what the member may.
func TestCommandsAskAServerWithAToken(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	s.must(t, "member", "add", "agent@example.com", "--role", "agent")
	agent := strings.TrimSpace(s.must(t, "token", "create", "--name", "agent", "--member", "agent@example.com"))
	owner := []string{"TIDELINE_TOKEN=" + srv.Token, "TIDELINE_SERVER=" + srv.URL}
	ask := func(env []string, command ...string) string {
		t.Helper()
		r := runWith(t, env, command...)
		if r.code != 0 {
			t.Fatalf("tideline %s: exit code %d: %s", strings.Join(command, " "), r.code, r.notes)
		}
		return r.out
	}
	uid := strings.TrimSpace(ask(owner, "send", ana, "hello from afar"))
	srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
	for _, c := range []struct {
		command []string
		want    []string
	}{
		{[]string{"message", "show", uid}, []string{uid, "hello from afar", "Delivered"}},
		{[]string{"message", "show", uid, "--json"}, []string{`"status_history": [`, `"text": "hello from afar"`}},
		{[]string{"account", "list"}, []string{accountNumber, "active"}},
		{[]string{"webhook", "add", "message:new", "http://127.0.0.1:9/hook"}, []string{"Webhook 1 posts message:new"}},
		{[]string{"webhook", "list"}, []string{"http://127.0.0.1:9/hook", "works"}},
		{[]string{"webhook", "remove", "1"}, []string{"Webhook 1 is gone"}},
		{[]string{"chat", "list", "--phone", ana}, []string{ana}},
		{[]string{"chat", "list", "--name", "nobody is called so", "--json"}, []string{"[]"}},
		{[]string{"chat", "messages", "1"}, []string{"hello from afar"}},
	} {
		out := ask(owner, c.command...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", strings.Join(c.command, " "), want, out)
			}
		}
	}
	for name, c := range map[string]struct {
		env     []string
		command []string
		code    int
		want    string
	}{
		"a lesser role":        {[]string{"TIDELINE_TOKEN=" + agent, "TIDELINE_SERVER=" + srv.URL}, []string{"webhook", "list"}, 1, "permission_denied"},
		"another's token":      {[]string{"TIDELINE_TOKEN=tla_wrong", "TIDELINE_SERVER=" + srv.URL}, []string{"account", "list"}, 1, "tideline token create"},
		"nobody's server":      {[]string{"TIDELINE_TOKEN=" + agent, "TIDELINE_SERVER=http://127.0.0.1:9"}, []string{"account", "list"}, 1, "no answer from"},
		"no token":             {nil, []string{"account", "list", "--server", srv.URL}, 2, "TIDELINE_TOKEN"},
		"secrets":              {owner, []string{"webhook", "list", "--secrets"}, 2, "on the server's machine"},
		"a part of the events": {owner, []string{"webhook", "add", "message:new", "http://127.0.0.1:9/", "--account", accountNumber}, 2, "on the server's machine"},
		"not there":            {owner, []string{"message", "show", "0193a1b2-7c5d-7e3f-8a1b-2c3d4e5f6071"}, 1, "not_found"},
	} {
		r := runWith(t, c.env, c.command...)
		if r.code != c.code || !strings.Contains(r.notes, c.want) {
			t.Errorf("%s: exit code %d, want %d, and %q in: %s", name, r.code, c.code, c.want, r.notes)
		}
	}
	if out := s.must(t, "chat", "list"); !strings.Contains(out, ana) { // as the owner, beside the server
		t.Errorf("without a token: %s", out)
	}
	if out := s.must(t, "token", "list"); strings.Contains(out, "tideline chat") {
		t.Errorf("the command left a token behind:\n%s", out)
	}
	srv.stop(t)
	if out := s.must(t, "message", "show", uid); !strings.Contains(out, "hello from afar") { // the operator's, without a server
		t.Errorf("without a server: %s", out)
	}
	if r := s.run(t, "chat", "list"); r.code != 1 || !strings.Contains(r.notes, "no server is running") {
		t.Errorf("chats without a server: exit code %d, %s", r.code, r.notes)
	}
}
