// Package flaky is an HTTP server that fails on purpose, in front of a handler
// that doesn't. What is asked for is done, half done, done and not answered, or
// never done, as a Fault says, so that a test can see what its client makes of it.
package flaky

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Fault is how a request goes wrong.
type Fault int

// The faults.
const (
	None        Fault = iota
	Status500         // answered 500; the handler never sees it
	SlowDown          // answered 503 with the code SlowDown, as S3 does under load
	NoAnswer          // the connection is reset before the handler sees it
	LostAnswer        // the handler does what was asked, and its answer never comes
	CutRequest        // the handler sees half of the body, then the connection is reset
	CutAnswer         // half of the answer's body comes, then the connection is reset
	Stall             // nothing comes until the client gives up
	StallAnswer       // half of the answer's body comes, then nothing until the client gives up
	ShortAnswer       // half of the answer's body comes, under a length that says that this is all
	LongLength        // the answer's body is shorter than its length says, and ends in good order
	Slow              // all goes well, in small pieces
	faults            // how many there are
)

// pieces and piecePause are how Slow answers.
const (
	pieces     = 8
	piecePause = 2 * time.Millisecond
)

// seldom is one in how many of the stalls that FailHalf draws are kept.
const seldom = 8

// Server fails on purpose.
type Server struct {
	URL string

	handler http.Handler
	http    *http.Server
	stopped chan struct{}
	mu      sync.Mutex
	choose  func(*http.Request) Fault
	held    map[net.Conn]bool // connections that stall
	counts  map[Fault]int
}

// Start starts a server on a free port of this machine; it ends with the test. At
// first it does not fail.
func Start(t testing.TB, handler http.Handler) *Server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), handler: handler, stopped: make(chan struct{}),
		choose: func(*http.Request) Fault { return None }, held: map[net.Conn]bool{}, counts: map[Fault]int{},
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	t.Cleanup(func() {
		close(s.stopped)
		s.mu.Lock()
		for conn := range s.held {
			_ = conn.Close()
		}
		s.mu.Unlock()
		_ = s.http.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// Fail has choose say how each request from now on goes wrong. It is called from
// several goroutines, one at a time.
func (s *Server) Fail(choose func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.choose = choose
}

// Recover ends all faults that are still to come.
func (s *Server) Recover() { s.Fail(func(*http.Request) Fault { return None }) }

// FailHalf has one of two requests go wrong, in one of these ways or, when none is
// named, in every way, drawn from seed. Stalls are drawn seldom, because they take
// as long as the client waits.
func (s *Server) FailHalf(seed uint64, ways ...Fault) {
	if len(ways) == 0 {
		for f := Status500; f < faults; f++ {
			ways = append(ways, f)
		}
	}
	draw := rand.New(rand.NewPCG(seed, seed))
	s.Fail(func(*http.Request) Fault {
		if draw.IntN(2) == 0 {
			return None
		}
		f := ways[draw.IntN(len(ways))]
		if (f == Stall || f == StallAnswer) && draw.IntN(seldom) > 0 {
			f = ways[draw.IntN(len(ways))]
		}
		return f
	})
}

// Counts tells how many requests went wrong in which way; None has those that
// went well.
func (s *Server) Counts() map[Fault]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func (s *Server) next(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.choose(r)
	s.counts[f]++
	return f
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch f := s.next(r); f {
	case None:
		s.handler.ServeHTTP(w, r)
	case Status500, SlowDown:
		_, _ = io.Copy(io.Discard, r.Body)
		s.refuse(w, f)
	case NoAnswer:
		reset(hijack(w))
	case Stall:
		s.hold(hijack(w))
	case CutRequest:
		half := &cutReader{r: r.Body, left: r.ContentLength / 2}
		r.Body = io.NopCloser(half)
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		reset(hijack(w))
	default:
		// The body is read first: a handler must be able to finish what was asked.
		answer := httptest.NewRecorder()
		s.handler.ServeHTTP(answer, r)
		s.spoil(w, r, f, answer)
	}
}

// refuse answers without having done anything.
func (s *Server) refuse(w http.ResponseWriter, f Fault) {
	status, code := http.StatusInternalServerError, "InternalError"
	if f == SlowDown {
		status, code = http.StatusServiceUnavailable, "SlowDown"
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>on purpose</Message></Error>", code)
}

// spoil gives an answer in a way that is not as it should be.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f Fault, answer *httptest.ResponseRecorder) {
	body := answer.Body.Bytes()
	if f == LostAnswer {
		reset(hijack(w))
		return
	}
	length := len(body)
	if declared, err := strconv.Atoi(answer.Header().Get("Content-Length")); err == nil {
		length = declared // of what HEAD is about
	}
	half := body[:len(body)/2]
	switch f {
	case ShortAnswer:
		if r.Method != http.MethodHead {
			length = len(half)
		}
	case LongLength:
		half = body[:max(0, len(body)-1)]
	}
	conn := hijack(w)
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", answer.Code, http.StatusText(answer.Code))
	header := answer.Header().Clone()
	header.Del("Content-Length")
	_ = header.Write(&head) // to memory
	if answer.Code != http.StatusNoContent {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", length)
	}
	head.WriteString("Connection: close\r\n\r\n")
	if _, err := conn.Write(head.Bytes()); err != nil {
		_ = conn.Close()
		return
	}
	if r.Method == http.MethodHead {
		half, body = nil, nil
	}
	switch f {
	case Slow:
		for piece := range slices.Chunk(body, len(body)/pieces+1) {
			if _, err := conn.Write(piece); err != nil {
				break
			}
			select {
			case <-time.After(piecePause):
			case <-s.stopped:
			}
		}
		_ = conn.Close()
	case CutAnswer:
		_, _ = conn.Write(half)
		reset(conn)
	case StallAnswer:
		_, _ = conn.Write(half)
		s.hold(conn)
	default:
		_, _ = conn.Write(half)
		_ = conn.Close()
	}
}

// hold keeps a connection until the client closes it or the server ends.
func (s *Server) hold(conn net.Conn) {
	s.mu.Lock()
	s.held[conn] = true
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, conn)
	s.mu.Lock()
	delete(s.held, conn)
	s.mu.Unlock()
	_ = conn.Close()
}

// hijack takes a connection over.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // an HTTP/1.1 server's writer can
	}
	return conn
}

// reset closes a connection so that the other side gets an error, not an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cutReader is a body whose sender went away in the middle.
type cutReader struct {
	r    io.Reader
	left int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
