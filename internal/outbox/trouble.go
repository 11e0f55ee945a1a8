package outbox

import "time"

// trouble is what is known about a lane whose head had to be put back. Only
// lanes in trouble have one.
type trouble struct {
	message  int64
	attempts int
	kind     string
	fresh    bool // the kind is new for this message: worth telling
}

// troubled notes one more failed attempt of a lane's head.
func (s *Service) troubled(accountID, messageID int64, kind string) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.troubles[accountID]
	if t.message != messageID {
		t = trouble{message: messageID}
	}
	t.attempts++
	t.fresh = t.kind != kind
	t.kind = kind
	s.troubles[accountID] = t
	return t
}

// calm forgets a lane's trouble.
func (s *Service) calm(accountID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.troubles, accountID)
}

// pause is how long to wait before the next attempt: it doubles with every one.
func (t trouble) pause(c Config) time.Duration {
	shift := min(t.attempts-1, 16)
	return min(c.MinBackoff<<shift, c.MaxBackoff)
}
