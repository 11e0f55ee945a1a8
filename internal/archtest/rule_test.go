package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// set is a list of package patterns: a path, or a path with /... at its end for
// the package and all below it, as the go command has it.
type set []string

func (s set) has(path string) bool {
	return slices.ContainsFunc(s, func(pattern string) bool {
		tree, below := strings.CutSuffix(pattern, "/...")
		if !below {
			return path == pattern
		}
		return path == tree || strings.HasPrefix(path, tree+"/")
	})
}

func join(sets ...set) set { return slices.Concat(sets...) }

// rule forbids packages to packages.
type rule struct {
	name   string
	reason string

	from, except set // who is bound: packages in from and not in except
	deny, allow  set // what is forbidden: packages in deny and not in allow

	// deep forbids to depend on a package in any number of steps; otherwise
	// only to import it.
	deep bool
	// tests binds test files too; otherwise they may import what they like.
	tests bool
}

func (r rule) binds(path string) bool   { return r.from.has(path) && !r.except.has(path) }
func (r rule) forbids(path string) bool { return r.deny.has(path) && !r.allow.has(path) }

// violation is a package that depends on one it must not depend on. To mend it
// the import of first in from has to go, since from there the way leads on to
// target.
type violation struct {
	rule                string
	from, first, target string
	reason              string
}

func (v violation) String() string {
	way := fmt.Sprintf("%s imports %s", v.from, v.first)
	if v.first != v.target {
		way += ", which leads to " + v.target
	}
	return fmt.Sprintf("%s: %s\n\t%s", v.rule, way, v.reason)
}

// check returns every violation of the rules, ordered by rule and package.
func check(g graph, rules []rule) []violation {
	var found []violation
	paths := slices.Sorted(maps.Keys(g))
	for _, r := range rules {
		for _, from := range paths {
			if r.binds(from) {
				found = append(found, r.check(g, from)...)
			}
		}
	}
	return found
}

func (r rule) check(g graph, from string) []violation {
	firsts := slices.Clone(g[from].imports)
	if r.tests {
		firsts = append(firsts, g[from].tests...)
	}
	slices.Sort(firsts)
	var found []violation
	for _, first := range slices.Compact(firsts) {
		if first == from { // an outside test of the package itself
			continue
		}
		targets := []string{first}
		// What a bound package drags in is reported at that package.
		if r.deep && !r.forbids(first) && !r.binds(first) {
			targets = reach(g, first)
		}
		for _, target := range targets {
			if r.forbids(target) {
				found = append(found, violation{rule: r.name, from: from, first: first, target: target, reason: r.reason})
			}
		}
	}
	return found
}

// reach returns start and all that it depends on, nearest first.
func reach(g graph, start string) []string {
	seen := map[string]bool{start: true}
	queue := []string{start}
	for i := 0; i < len(queue); i++ {
		for _, next := range g[queue[i]].imports {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return queue
}
