// A filter on github.com/emersion/go-milter (Debian's golang-github-emersion-go-milter-dev), as a peer of
// Sluice in the benchmark: takes connect, HELO, MAIL, RCPT and the end and answers "continue".
//
//	filter PATH
//
// PATH is a unix socket. Ends with SIGKILL or SIGTERM.
package main

import (
	"log"
	"net"
	"os"

	"github.com/emersion/go-milter"
)

// The library has no names for these two: the unknown command and DATA.
const noUnknown, noData milter.OptProtocol = 0x100, 0x200

type nothing struct{ milter.NoOpMilter }

func (nothing) Body(m *milter.Modifier) (milter.Response, error) {
	return milter.RespContinue, nil
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: filter PATH")
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := milter.Server{
		NewMilter: func() milter.Milter { return nothing{} },
		Protocol:  milter.OptNoHeaders | milter.OptNoEOH | milter.OptNoBody | noUnknown | noData,
	}
	log.Fatal(server.Serve(listener))
}
