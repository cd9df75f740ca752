package bus

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// victimFolder is the variable by which the test binary knows that it is a
// process to be killed.
const victimFolder = "BUS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimFolder); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim adds events and acknowledges some of them until it is killed, and says
// each that it did.
func victim(dir string) {
	o, err := openOutbox(dir, 1<<30, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for e := o.take(); e != nil; e = o.take() { // of the processes before: all but a few are delivered
		if rand.N(10) > 0 {
			fmt.Println("delivering", e.event.ID)
			o.remove(e)
		}
	}
	run := rand.Uint64()
	for i := 0; ; i++ {
		e := testEvent(i, rand.N(20_000))
		e.ID = fmt.Sprintf("%d-%d", run, i)
		o.add(e)
		fmt.Println("accepted", e.ID)
		if took := o.take(); i%3 == 0 {
			fmt.Println("delivering", took.event.ID)
			o.remove(took)
		}
	}
}

// An event is accepted once Publish has returned: whenever the process is
// killed, it is there in the next.
func TestKilledProcessKeepsAcceptedEvents(t *testing.T) {
	dir := t.TempDir()
	pending, delivered := map[string]bool{}, map[string]bool{}
	for round := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimFolder+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		watchdog := time.AfterFunc(testDeadline, func() { cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ { // also what it said before it died
			if n == round*round*20 {
				time.AfterFunc(rand.N(2*time.Millisecond), func() { cmd.Process.Kill() })
			}
			what, id, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "accepted":
				pending[id] = true
			case "delivering": // and perhaps taken down
				delete(pending, id)
				delivered[id] = true
			default:
				t.Fatalf("round %d: %s", round, lines.Text())
			}
		}
		watchdog.Stop()
		cmd.Wait()

		o := openTest(t, dir, 1<<30)
		left := map[string]bool{}
		for _, e := range o.takeAll() {
			if left[e.event.ID] || e.attempt == 0 {
				t.Errorf("round %d: %s is there twice, or seems untried", round, e.event.ID)
			}
			left[e.event.ID] = true
		}
		again := 0
		for id := range left {
			if delivered[id] {
				again++
			}
		}
		for id := range pending {
			if !left[id] {
				t.Errorf("round %d: %s was accepted, and is gone", round, id)
			}
		}
		if s := o.state(); again > 1 || s.drops != (drops{}) {
			t.Errorf("round %d: %d delivered events come again; %+v", round, again, s)
		}
		o.close()
	}
	t.Logf("%d events accepted and pending, %d delivered", len(pending), len(delivered))
	if len(pending) == 0 || len(delivered) == 0 {
		t.Error("nothing was tested")
	}
}
