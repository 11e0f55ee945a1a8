// Package cpuparts tells from a CPU profile which part of the server used how much.
package cpuparts

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

const module = "github.com/tidelinehq/tideline/"

// parts name what functions belong to, by how their names begin. Of a stack the
// innermost function that belongs to a part decides, so that a part's own work
// and what it has libraries do for it are one.
var parts = []struct{ begins, name string }{
	{module + "internal/store/", "storage"},
	{"modernc.org/sqlite", "storage"},
	{"github.com/jackc/pgx/", "storage"},
	{"go.mau.fi/", "whatsapp protocol"},
	{module + "internal/whatsapp/", "whatsapp protocol"},
	{module + "internal/webhook", "webhooks"},
	{module + "internal/web", "pages"},
	{module + "internal/live", "pages"},
	{module + "internal/httpapi", "api"},
	{module + "internal/auth", "api"},
	{module + "internal/message", "api"},
	{module + "internal/outbox", "outbox"},
	{module + "internal/", "other services"},
	{"net/http.", "http"},
	{"runtime.gcBgMarkWorker", "garbage collector"},
	{"runtime.bgsweep", "garbage collector"},
	{"runtime.bgscavenge", "garbage collector"},
}

// Rest is the part of what belongs to none: mostly the scheduler.
const Rest = "go runtime"

// Of gives the share of the profile's samples, from 0 to 1, of each part. profile
// is what runtime/pprof writes.
func Of(profile []byte) (map[string]float64, error) {
	z, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	p := reader{functions: map[uint64]uint64{}, locations: map[uint64][]uint64{}}
	if err := p.read(raw); err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	used, all := map[string]float64{}, 0.0
	for _, s := range p.samples {
		used[p.part(s.stack)] += s.value
		all += s.value
	}
	if all == 0 {
		return nil, errors.New("the profile has no samples")
	}
	for name := range used {
		used[name] /= all
	}
	return used, nil
}

// reader takes of profile.proto (github.com/google/pprof) what is needed here.
type reader struct {
	texts     []string
	functions map[uint64]uint64   // id → place of its name in texts
	locations map[uint64][]uint64 // id → functions, the innermost first
	samples   []sample
}

type sample struct {
	stack []uint64 // locations, the innermost first
	value float64  // the last one of the sample: nanoseconds
}

func (p *reader) read(raw []byte) error {
	return fields(raw, func(number protowire.Number, _ uint64, b []byte) error {
		switch number {
		case 2:
			return p.sample(b)
		case 4:
			return p.location(b)
		case 5:
			return p.function(b)
		case 6:
			p.texts = append(p.texts, string(b))
		}
		return nil
	})
}

func (p *reader) sample(b []byte) error {
	var s sample
	err := fields(b, func(number protowire.Number, v uint64, packed []byte) error {
		list, err := repeated(v, packed)
		if err != nil || len(list) == 0 {
			return err
		}
		switch number {
		case 1:
			s.stack = append(s.stack, list...)
		case 2:
			s.value = float64(list[len(list)-1])
		}
		return nil
	})
	p.samples = append(p.samples, s)
	return err
}

func (p *reader) location(b []byte) error {
	var id uint64
	var functions []uint64
	err := fields(b, func(number protowire.Number, v uint64, line []byte) error {
		switch number {
		case 1:
			id = v
		case 4:
			return fields(line, func(number protowire.Number, v uint64, _ []byte) error {
				if number == 1 {
					functions = append(functions, v)
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = functions
	return err
}

func (p *reader) function(b []byte) error {
	var id, name uint64
	err := fields(b, func(number protowire.Number, v uint64, _ []byte) error {
		switch number {
		case 1:
			id = v
		case 2:
			name = v
		}
		return nil
	})
	p.functions[id] = name
	return err
}

// part gives the part of a stack.
func (p *reader) part(stack []uint64) string {
	for _, location := range stack {
		for _, function := range p.locations[location] {
			at := p.functions[function]
			if at >= uint64(len(p.texts)) {
				continue
			}
			for _, part := range parts {
				if strings.HasPrefix(p.texts[at], part.begins) {
					return part.name
				}
			}
		}
	}
	return Rest
}

// fields calls do for each field of a message: v is set for numbers, b for bytes.
func fields(raw []byte, do func(number protowire.Number, v uint64, b []byte) error) error {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		var v uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(raw)
		default:
			n = protowire.ConsumeFieldValue(number, kind, raw)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		if err := do(number, v, b); err != nil {
			return err
		}
	}
	return nil
}

// repeated gives the numbers of a field, which come one by one or packed.
func repeated(v uint64, packed []byte) (list []uint64, err error) {
	if packed == nil {
		return []uint64{v}, nil
	}
	for len(packed) > 0 {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		list = append(list, v)
		packed = packed[n:]
	}
	return list, nil
}
