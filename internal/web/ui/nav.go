package ui

import "github.com/tidelinehq/tideline/internal/tideline"

// NavItem is an entry of the menu.
type NavItem struct {
	Name string // "labels": Page.Nav of its pages; the text is ui.nav.labels
	Path string
	Icon string
	may  func(tideline.Role) bool // nil = everybody
}

// navigation gives the menu, in its order.
func navigation(sandbox bool) []NavItem {
	administers := tideline.Role.Administers
	items := []NavItem{
		{"inbox", "/inbox", "inbox", nil},
		{"numbers", "/numbers", "phone", nil},
		{"usage", "/usage", "chart", nil},
		{"templates", "/templates", "template", nil},
		{"labels", "/labels", "label", nil},
		{"team", "/team", "team", nil},
		{"tokens", "/tokens", "key", nil},
		{"webhooks", "/webhooks", "webhook", administers},
		{"audit", "/audit", "audit", administers},
		{"settings", "/settings", "settings", administers},
	}
	if sandbox {
		items = append(items, NavItem{"phones", "/phones", "customer", nil})
	}
	return items
}

// visible gives the entries for a role.
func visible(items []NavItem, r tideline.Role) []NavItem {
	var out []NavItem
	for _, i := range items {
		if i.may == nil || i.may(r) {
			out = append(out, i)
		}
	}
	return out
}
