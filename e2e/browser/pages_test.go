package browser

import "testing"

// everyPage is what the pages lead to, at least. A page that nothing leads to is
// as good as missing.
var everyPage = []string{
	"/signin", "/inbox", "/inbox/{id}", "/numbers", "/numbers/pair", "/numbers/{id}", "/usage", "/usage/ledger", "/usage/queue",
	"/templates", "/labels", "/webhooks", "/webhooks/{id}", "/team", "/tokens", "/settings", "/audit", "/me", "/phones", "/phones/{id}",
}

// TestEveryPage furnishes a workspace and looks at all its pages: whether
// everybody can use them, and what they look like.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	furnish(s)
	owner := s.owner()
	pictures(t, owner)
	accessibility(t, s, owner)
}
