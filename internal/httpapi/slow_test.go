package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with a single connection.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// talk serves h with a server that allows a request two seconds, in virtual
// time, writes the parts of a request with a pause before each, and gives the
// answer's status and body.
func talk(t *testing.T, h http.Handler, pause time.Duration, parts ...string) (int, string) {
	t.Helper()
	mine, theirs := net.Pipe()
	l := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- theirs
	server := &http.Server{Handler: h, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second}
	served, written := make(chan error), make(chan struct{})
	go func() { served <- server.Serve(l) }()
	defer func() {
		_ = mine.Close()
		_ = server.Close()
		<-served
		<-written
	}()
	go func() {
		defer close(written)
		for _, part := range parts {
			<-time.After(pause) // virtual
			if _, err := io.WriteString(mine, part); err != nil {
				return // the server has hung up; its answer says why
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(mine), nil)
	if err != nil {
		return 0, err.Error()
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAnUploadMayTakeLongerThanTheServerAllowsOtherRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n0123456789\r\n--b--\r\n"
		head := fmt.Sprintf("POST %s/files_upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", Base, fakeToken, len(form))
		status, body := talk(t, newFakes(nil).handler(Config{}), time.Second, append([]string{head}, strings.SplitAfter(form, "")...)...)
		if status != 200 || !strings.Contains(body, `"size":10`) {
			t.Errorf("%d %s", status, body)
		}
	})
}

func TestABodyThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const send = `{"phone":"+14840000000","text":"x"}`
		head := fmt.Sprintf("POST %s/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", Base, fakeToken, len(send))
		status, body := talk(t, newFakes(nil).handler(Config{}), time.Second, append([]string{head}, strings.SplitAfter(send, "")...)...)
		if status == 200 {
			t.Errorf("a body at one byte a second was waited for: %s", body)
		}
	})
}
