package ui

// Renew finds out anew who is signed in, for an answer that goes on for long.
// Principal is as it is now. Errors are those of Sessions.Authenticate; after
// SignedOut(err) the answer must end.
func (q *Request) Renew() error {
	asked := q.R // identify would wrap its context once more
	defer func() { q.R = asked }()
	return (&Router{kit: q.kit}).identify(q)
}

// SignedOut reports whether err says that nobody is signed in any more, rather
// than that this can't be told now.
func SignedOut(err error) bool { return signedOut(err) }
