package wasim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/noise"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

const (
	handshakeTimeout = 20 * time.Second // as clients have it
	writeTimeout     = 10 * time.Second
	// closeGrace is how long a connection stays open after its last stanza. A client that sees
	// the end of the stream before it has handled the reason reconnects instead.
	closeGrace = 250 * time.Millisecond
)

// conn is one client's connection. Its read loop, run, owns the fields without a lock.
type conn struct {
	srv    *Server
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	peer   noise.Peer
	recv   *noise.Cipher
	dev    *companion // set by a successful login, before the first stanza is read
	link   *linking   // set while the client waits to be linked

	wmu       sync.Mutex
	send      *noise.Cipher
	ended     bool       // no stanza may follow
	replaying bool       // the queue is being replayed; deliveries wait in held
	floor     int64      // queue entries up to here were replayed
	held      []delivery // deliveries that came during the replay

	available atomic.Bool // the client has said that somebody looks at it
	silent    atomic.Bool // half open: what is sent either way is swallowed
	up, down  lag         // what faults make stanzas wait for, from and to the client

	unacked   atomic.Int64  // stanzas of the last batch that the client hasn't acknowledged
	nextBatch chan struct{} // one element when the next batch may follow

	imu     sync.Mutex
	answers map[string]chan *stanza.Node // server-initiated IQs waiting for the client
	lastIQ  uint64
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if f, ok := s.faults.take(FaultRefuseConnection); ok {
		http.Error(w, "refused by fault", f.Code)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // clients name WhatsApp's origin, which isn't this host
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		s.log.Debug("websocket refused", "error", err)
		return
	}
	ws.SetReadLimit(-1) // frames have their own limit
	c := &conn{srv: s, ws: ws, nextBatch: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	// A goroutine of its own lets go of net/http's buffers and stack.
	if !s.tasks.spawn(c.run) {
		c.cut()
	}
}

// run is the life of a connection.
func (c *conn) run() {
	defer c.close()
	c.srv.mu.Lock()
	c.srv.conns[c] = struct{}{}
	c.srv.mu.Unlock()
	r := &streamReader{ctx: c.ctx, ws: c.ws}
	if err := c.handshake(r); err != nil {
		c.srv.log.Debug("handshake failed", "error", err)
		return
	}
	if !c.begin() {
		c.drain(r)
		return
	}
	limit := noise.MaxFrame
	for {
		frame, err := noise.ReadFrame(r, limit)
		if err != nil {
			if c.ctx.Err() == nil && !errors.Is(err, io.EOF) {
				c.srv.log.Debug("connection ended", "error", err)
			}
			return
		}
		plain, err := c.recv.Open(frame)
		if err != nil {
			c.srv.log.Warn("connection broken", "error", err)
			return
		}
		if c.silent.Load() {
			continue
		}
		node, err := stanza.Decode(plain)
		if err != nil {
			c.srv.recordUnhandled(c.device(), err.Error(), &stanza.Node{Tag: "undecodable"})
			continue
		}
		c.late(&c.up, FaultDelayUp, func() {
			c.srv.traced(FromClient, c.device(), node)
			c.handle(node)
		})
	}
}

func (c *conn) handshake(r io.Reader) (err error) {
	watchdog := time.AfterFunc(handshakeTimeout, c.cut)
	defer watchdog.Stop()
	c.peer, c.recv, c.send, err = noise.Respond(c.srv.authority, r, c.writeRaw)
	return err
}

// drain reads until the client, which was told to go, is gone.
func (c *conn) drain(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

// begin admits the client. It reports false when the connection is to end.
func (c *conn) begin() bool {
	if c.outdated() {
		c.refuseLogin(failureOutdated, 0)
		return false
	}
	if c.peer.Payload.GetDevicePairingData() != nil {
		return c.beginLinking()
	}
	return c.login()
}

func (c *conn) close() {
	c.cut()
	c.srv.mu.Lock()
	delete(c.srv.conns, c)
	if c.link != nil {
		for _, ref := range c.link.refs {
			delete(c.srv.refs, ref)
		}
	}
	c.srv.mu.Unlock()
	if c.dev != nil {
		c.dev.detach(c)
		if c.available.Load() {
			c.dev.phone.announcePresence()
		}
	}
}

// cut ends the connection without a word.
func (c *conn) cut() {
	c.cancel()
	_ = c.ws.CloseNow() // it may be closed already
}

func (c *conn) device() types.JID {
	if c.dev == nil {
		return types.EmptyJID
	}
	return c.dev.jid()
}

// handle dispatches one stanza.
func (c *conn) handle(n *stanza.Node) {
	defer func() {
		if r := recover(); r != nil {
			c.srv.recordUnhandled(c.device(), fmt.Sprintf("panic: %v", r), n)
		}
	}()
	switch n.Tag {
	case "iq":
		c.handleIQ(n)
	case "ack":
		c.handleAck(n)
	case "ib":
		c.handleIB(n)
	default:
		if c.dev == nil {
			c.srv.recordUnhandled(c.device(), "stanza before login", n)
			return
		}
		switch n.Tag {
		case "message":
			c.handleMessage(n)
		case "receipt":
			c.handleReceipt(n)
		case "presence", "chatstate":
			c.handlePresence(n)
		case "call":
			c.handleCall(n)
		default:
			c.srv.recordUnhandled(c.device(), "unknown stanza", n)
		}
	}
}

// write sends a stanza. A connection that can't be written to is cut.
func (c *conn) write(n stanza.Node) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.writeLocked(n)
}

func (c *conn) writeLocked(n stanza.Node) {
	if c.ended || c.silent.Load() {
		return
	}
	data, err := stanza.Encode(n)
	if err == nil {
		data, err = c.send.Frame(make([]byte, 0, len(data)+32), data)
	}
	if err != nil {
		c.srv.log.Error("stanza not encoded", "error", err)
		c.ended = true
		c.cut()
		return
	}
	c.srv.traced(ToClient, c.device(), &n)
	c.late(&c.down, FaultDelayDown, func() {
		if err := c.writeRaw(data); err != nil {
			if c.ctx.Err() == nil {
				c.srv.log.Debug("write failed", "error", err)
			}
			c.cut()
		}
	})
}

func (c *conn) writeRaw(data []byte) error {
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, data)
}

// end sends a last stanza and closes the connection a little later.
func (c *conn) end(n stanza.Node) {
	c.wmu.Lock()
	c.writeLocked(n)
	c.ended = true
	c.wmu.Unlock()
	c.srv.tasks.after(closeGrace+c.down.left(), c.cut)
}

// endStream ends the connection with a stream error.
func (c *conn) endStream(code, conflict string) {
	n := stanza.Node{Tag: "stream:error", Attrs: stanza.Attrs{}}
	if code != "" {
		n.Attrs["code"] = code
	}
	if conflict != "" {
		n.Content = []stanza.Node{{Tag: "conflict", Attrs: stanza.Attrs{"type": conflict}}}
	}
	c.end(n)
}

// ask sends an IQ to the client and returns the channel that its answer will come on.
func (c *conn) ask(child stanza.Node) <-chan *stanza.Node {
	answer := make(chan *stanza.Node, 1)
	c.imu.Lock()
	if c.answers == nil {
		c.answers = map[string]chan *stanza.Node{}
	}
	c.lastIQ++
	id := fmt.Sprintf("wasim-%d", c.lastIQ)
	c.answers[id] = answer
	c.imu.Unlock()
	c.write(stanza.Node{
		Tag: "iq",
		Attrs: stanza.Attrs{
			"type": "set", "xmlns": "md", "from": types.ServerJID, "id": id, "t": c.srv.now().Unix(),
		},
		Content: []stanza.Node{child},
	})
	return answer
}

// answered passes a client's IQ result to whoever asked.
func (c *conn) answered(n *stanza.Node) {
	id := stanza.Str(n, "id")
	c.imu.Lock()
	answer, ok := c.answers[id]
	delete(c.answers, id)
	c.imu.Unlock()
	if !ok {
		c.srv.recordUnhandled(c.device(), "answer to nothing", n)
		return
	}
	answer <- n
}

// streamReader presents a WebSocket's binary messages as one stream of bytes.
type streamReader struct {
	ctx context.Context
	ws  *websocket.Conn
	cur io.Reader
}

func (r *streamReader) Read(p []byte) (int, error) {
	for {
		if r.cur == nil {
			kind, next, err := r.ws.Reader(r.ctx)
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageBinary {
				return 0, errors.New("text message on a binary stream")
			}
			r.cur = next
		}
		n, err := r.cur.Read(p)
		if errors.Is(err, io.EOF) {
			r.cur, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
