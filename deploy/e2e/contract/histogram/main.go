// Histogram reads lines of the logger's event files and prints quantiles of all
// their round-trip times together.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(in io.Reader, out io.Writer) error {
	var all []histogram
	for lines := json.NewDecoder(in); ; {
		var record struct {
			Event struct {
				Type string
				Data struct {
					RTT *struct{ Histogram *histogram }
				}
			}
		}
		err := lines.Decode(&record)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if rtt := record.Event.Data.RTT; record.Event.Type == "twamp.v1.rtt" && rtt != nil && rtt.Histogram != nil {
			all = append(all, *rtt.Histogram)
		}
	}
	base, sum, err := merge(all)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, sum.TotalCount(), "round-trip times of", len(all), "reports")
	for _, q := range []float64{50, 99, 100} {
		fmt.Fprintf(out, "p%v %d ns\n", q, base+sum.ValueAtPercentile(q))
	}
	return nil
}

type histogram struct {
	Base int64  `json:"base_ns"`
	HDR  string `json:"hdr_v2"`
}

// merge adds histograms up. The sum's values are nanoseconds above base, each
// within 0.1 % of what it was.
func merge(all []histogram) (base int64, sum *hdrhistogram.Histogram, err error) {
	base, sum = math.MaxInt64, hdrhistogram.New(1, math.MaxInt64, 3)
	for _, h := range all {
		base = min(base, h.Base)
	}
	for _, h := range all {
		part, err := hdrhistogram.Decode([]byte(h.HDR))
		if err != nil {
			return 0, nil, err
		}
		for _, bar := range part.Distribution() {
			if bar.Count == 0 {
				continue
			}
			if err := sum.RecordValues(h.Base-base+(bar.From+bar.To)/2, bar.Count); err != nil {
				return 0, nil, err
			}
		}
	}
	return base, sum, nil
}
