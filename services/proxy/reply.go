package proxy

import (
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"rollcall/services/proxy/upstream"
)

// reply is the client's side of a response. It is a Client.
type reply struct {
	w       http.ResponseWriter
	r       *http.Request
	stall   time.Duration // timeout
	begun   time.Time     // when the request came
	interim bool          // interim responses may be passed on
	status  int           // what the client was told; 0: nothing yet
	taken   int64         // bytes of the body that the client took as they came, up to maxTaken
	waited  time.Duration // for the client to take them
}

// takesInterim reports whether interim responses may be passed on. In HTTP/2 net/http writes them from the map of the header, for which it
// does not wait where the client resets the stream: to change the map then ends the process. And with Expect the goroutine of the upload
// may be telling the client to go on at any moment, for which net/http has no lock that keeps another interim response out.
func takesInterim(r *http.Request, upload bool) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor > 0 && !(upload && len(r.Header["Expect"]) > 0)
}

// Interim is that of a Client.
func (y *reply) Interim(status int, header http.Header) {
	if !y.interim {
		return
	}
	h := y.w.Header()
	final := maps.Clone(h) // such as the end of the connection, which is said of the final response
	clear(h)
	for name, values := range header {
		if returned(name, header["Connection"]) {
			h[name] = values
		}
	}
	y.renewWrite()
	y.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, final)
}

// send sends the client a response whose fields are in the header of w. The error is that of resp.Read, or upstream.ErrClientGone.
func (y *reply) send(resp *upstream.Response) error {
	announced := y.announce(resp.Trailer())
	y.status = resp.StatusCode
	y.renewWrite()
	y.w.WriteHeader(resp.StatusCode)
	if resp.Done() {
		return nil
	}
	if whole := resp.Buffered(); whole != nil {
		if y.r.ProtoMajor > 1 {
			y.limitWrite()
		}
		if _, err := y.w.Write(whole); err != nil {
			return upstream.ErrClientGone
		}
		return nil
	}
	if err := y.stream(resp); err != nil {
		return err
	}
	for name, values := range resp.Trailer() {
		if !mayTrail(name) {
			continue
		}
		if !slices.Contains(announced, name) {
			if err := y.Flush(); err != nil { // or net/http may send a short body with its length, without a trailer
				return err
			}
			name = http.TrailerPrefix + name
		}
		y.w.Header()[name] = values
	}
	return nil
}

// announce names the fields of the trailer that may be sent.
func (y *reply) announce(trailer http.Header) (names []string) {
	if len(trailer) == 0 {
		return nil
	}
	for name := range trailer {
		if mayTrail(name) {
			names = append(names, name)
		}
	}
	y.w.Header()["Trailer"] = []string{strings.Join(names, ", ")}
	return names
}

// mayTrail reports whether a field may come after the body of an answer.
func mayTrail(name string) bool { return httpguts.ValidTrailerHeader(name) && returned(name, nil) }

// stream passes the body on as it comes, with as long as it takes the server, and the stall timeout for the client. The client gets what
// has come, the header too, before the server is waited for, and not with each piece: pieces that are there already are one write.
func (y *reply) stream(resp *upstream.Response) error {
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	for {
		y.unlimitWrite()
		n, err := resp.Read(buffer[:])
		begun := y.limitWrite()
		if n > 0 {
			if _, err := y.w.Write(buffer[:n]); err != nil {
				return upstream.ErrClientGone
			}
			y.taken += min(int64(n), maxTaken-y.taken)
			y.waited += time.Since(begun)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Flush is that of a Client. The error is upstream.ErrClientGone.
func (y *reply) Flush() error {
	begun := y.limitWrite()
	defer y.unlimitWrite()
	if http.NewResponseController(y.w).Flush() != nil {
		return upstream.ErrClientGone
	}
	y.waited += time.Since(begun)
	return nil
}

// switchProtocols writes a response of 101 with the fields that are in the header of w.
func (y *reply) switchProtocols(client net.Conn) error {
	h := y.w.Header()
	delete(h, "Content-Type")
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	var out bytes.Buffer
	out.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&out) // a buffer takes all
	out.WriteString("\r\n")
	_, err := out.WriteTo(client)
	return err
}

// A client that reads slowly and steadily takes nothing for a long time as seen from here: its kernel has megabytes for it, and
// opens the window when a large part of them is read. curl with a rate limit reads what there is and then rests for as long as that
// took too little time. So a client that has taken steadyRate on average may pause for longer than one that took nothing.
const (
	steadyRate  = 16 << 10 // bytes a second
	mostPatient = 10       // stall timeouts in addition, at most
	maxTaken    = 1 << 33  // bytes, so that time.Duration holds the result
)

// patience is how long a client may take nothing, of which it has taken so many bytes while it was waited for so long.
func patience(taken int64, waited, stall time.Duration) time.Duration {
	earned := time.Duration(taken)*time.Second/steadyRate - waited
	return stall + max(0, min(earned, mostPatient*stall))
}

// limitWrite begins the time that the client has to take what is written next.
func (y *reply) limitWrite() time.Time {
	now := time.Now()
	_ = http.NewResponseController(y.w).SetWriteDeadline(now.Add(patience(y.taken, y.waited, y.stall)))
	return now
}

// renewWrite is for what is written at once, in HTTP/1.1: for a while the deadline that the request began with will do.
func (y *reply) renewWrite() {
	if y.r.ProtoMajor == 1 && time.Since(y.begun) > y.stall {
		y.limitWrite()
	}
}

// unlimitWrite is for as long as the server is waited for: in HTTP/2 a deadline ends the exchange when it comes, and not only
// a write.
func (y *reply) unlimitWrite() {
	if y.r.ProtoMajor > 1 {
		_ = http.NewResponseController(y.w).SetWriteDeadline(time.Time{})
	}
}
