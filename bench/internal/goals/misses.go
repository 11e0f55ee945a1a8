package goals

// Misses explains figures that miss their goals, by the goal's ID and, after a
// slash, the database. Explain a new one here when bench/table shows it, and take
// out what is no miss any more: a test holds this to docs/performance.json.
func Misses() map[string]string {
	return map[string]string{}
}
