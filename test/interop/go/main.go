// A plain go-libp2p peer with its own Kademlia, GossipSub, relay and hole punching, and none of our
// code. It takes one JSON object a line on stdin, `{"id":1,"op":"dial","addr":"…"}`, and answers each
// with one on stdout: `{"id":1,"ok":true,…}` or `{"id":1,"ok":false,"error":"…"}`. It ends with stdin.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multihash"
)

const opTimeout = 30 * time.Second

type request struct {
	ID    int    `json:"id"`
	Op    string `json:"op"`
	Addr  string `json:"addr"`
	Peer  string `json:"peer"`
	Key   string `json:"key"`
	Value string `json:"value"`
	Topic string `json:"topic"`
	Data  string `json:"data"`
}

type answer = map[string]any

// anything lets every value pass: whether it is valid is for the peers that are asked to say.
type anything struct{}

func (anything) Validate(string, []byte) error        { return nil }
func (anything) Select(string, [][]byte) (int, error) { return 0, nil }

type probe struct {
	host   host.Host
	dht    *dht.IpfsDHT
	gossip *pubsub.PubSub
	topics map[string]*pubsub.Topic
	lock   sync.Mutex
	out    sync.Mutex
}

func main() {
	listen := flag.String("listen", "/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/udp/0/quic-v1", "addresses")
	security := flag.String("security", "noise", "noise or tls, over TCP")
	prefix := flag.String("kad", "/p2p", "what stands before /kad/1.0.0")
	relay := flag.Bool("relay", false, "serve as a relay")
	private := flag.Bool("private", false, "believe to be behind a NAT, and punch holes")
	flag.Parse()

	p, err := start(*listen, *security, *prefix, *relay, *private)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer p.host.Close()
	p.say(answer{"event": "ready", "peerId": p.host.ID().String(), "addresses": p.addresses()})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			p.say(answer{"ok": false, "error": err.Error()})
			continue
		}
		go p.answer(asked)
	}
}

func start(listen, security, prefix string, relay, private bool) (*probe, error) {
	options := []libp2p.Option{
		libp2p.ListenAddrStrings(strings.Split(listen, ",")...),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		libp2p.EnableRelay(),
		libp2p.UserAgent("go-probe"),
	}
	if security == "tls" {
		options = append(options, libp2p.Security(tls.ID, tls.New))
	} else {
		options = append(options, libp2p.Security(noise.ID, noise.New))
	}
	if relay {
		options = append(options, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	}
	if private {
		options = append(options, libp2p.EnableHolePunching(), libp2p.ForceReachabilityPrivate())
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	kad, err := dht.New(ctx, h, dht.ProtocolPrefix(protocol.ID("/"+strings.Trim(prefix, "/"))),
		dht.Mode(dht.ModeServer), dht.NamespacedValidator("data", anything{}),
		dht.NamespacedValidator("peer", anything{}))
	if err != nil {
		return nil, err
	}
	gossip, err := pubsub.NewGossipSub(ctx, h, pubsub.WithFloodPublish(true))
	if err != nil {
		return nil, err
	}
	return &probe{host: h, dht: kad, gossip: gossip, topics: map[string]*pubsub.Topic{}}, nil
}

func (p *probe) addresses() []string {
	found := []string{}
	for _, address := range p.host.Addrs() {
		found = append(found, fmt.Sprintf("%s/p2p/%s", address, p.host.ID()))
	}
	return found
}

func (p *probe) say(what answer) {
	p.out.Lock()
	defer p.out.Unlock()
	text, _ := json.Marshal(what)
	fmt.Println(string(text))
}

func (p *probe) answer(asked request) {
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	found, err := p.do(ctx, asked)
	if err != nil {
		p.say(answer{"id": asked.ID, "ok": false, "error": err.Error()})
		return
	}
	if found == nil {
		found = answer{}
	}
	found["id"] = asked.ID
	found["ok"] = true
	p.say(found)
}

func (p *probe) do(ctx context.Context, asked request) (answer, error) {
	switch asked.Op {
	case "addresses":
		return answer{"addresses": p.addresses()}, nil
	case "dial":
		info, err := peer.AddrInfoFromString(asked.Addr)
		if err != nil {
			return nil, err
		}
		ctx = network.WithAllowLimitedConn(ctx, "interop")
		return answer{"peer": info.ID.String()}, p.host.Connect(ctx, *info)
	case "reserve":
		return p.reserve(ctx, asked.Addr)
	case "subscribe":
		return nil, p.subscribe(asked.Topic)
	case "publish":
		return nil, p.publish(ctx, asked)
	case "findNode", "get", "put", "provide", "providers":
		return p.kad(ctx, asked)
	}
	id, err := peer.Decode(asked.Peer)
	if err != nil {
		return nil, fmt.Errorf("op %q: %w", asked.Op, err)
	}
	switch asked.Op {
	case "ping":
		ctx = network.WithAllowLimitedConn(ctx, "interop")
		result := <-ping.Ping(ctx, p.host, id)
		return answer{"ms": float64(result.RTT.Microseconds()) / 1000}, result.Error
	case "identify":
		return p.identified(id)
	case "paths":
		return answer{"paths": p.paths(id)}, nil
	case "close":
		return nil, p.host.Network().ClosePeer(id)
	}
	return nil, fmt.Errorf("no op %q", asked.Op)
}

func (p *probe) reserve(ctx context.Context, relay string) (answer, error) {
	info, err := peer.AddrInfoFromString(relay)
	if err != nil {
		return nil, err
	}
	if err := p.host.Connect(ctx, *info); err != nil {
		return nil, err
	}
	reservation, err := client.Reserve(ctx, p.host, *info)
	if err != nil {
		return nil, err
	}
	return answer{
		"expires": reservation.Expiration.Unix(),
		"seconds": reservation.LimitDuration.Seconds(),
		"bytes":   reservation.LimitData,
		"address": fmt.Sprintf("%s/p2p-circuit/p2p/%s", relay, p.host.ID()),
	}, nil
}

func (p *probe) identified(id peer.ID) (answer, error) {
	protocols, err := p.host.Peerstore().GetProtocols(id)
	agent, _ := p.host.Peerstore().Get(id, "AgentVersion")
	addresses := []string{}
	for _, address := range p.host.Peerstore().Addrs(id) {
		addresses = append(addresses, address.String())
	}
	return answer{"protocols": protocols, "agent": agent, "addresses": addresses}, err
}

func (p *probe) paths(id peer.ID) []answer {
	paths := []answer{}
	for _, connection := range p.host.Network().ConnsToPeer(id) {
		state := connection.ConnState()
		paths = append(paths, answer{
			"address":  connection.RemoteMultiaddr().String(),
			"limited":  connection.Stat().Limited,
			"security": string(state.Security),
			"muxer":    string(state.StreamMultiplexer),
			"inbound":  connection.Stat().Direction == network.DirInbound,
		})
	}
	return paths
}

func (p *probe) kad(ctx context.Context, asked request) (answer, error) {
	switch asked.Op {
	case "findNode":
		id, err := peer.Decode(asked.Peer)
		if err != nil {
			return nil, err
		}
		info, err := p.dht.FindPeer(ctx, id)
		addresses := []string{}
		for _, address := range info.Addrs {
			addresses = append(addresses, address.String())
		}
		return answer{"addresses": addresses}, err
	case "get":
		value, err := p.dht.GetValue(ctx, asked.Key)
		return answer{"value": hex.EncodeToString(value)}, err
	case "put":
		value, err := hex.DecodeString(asked.Value)
		if err != nil {
			return nil, err
		}
		return nil, p.dht.PutValue(ctx, asked.Key, value)
	}
	digest, err := hex.DecodeString(asked.Key)
	if err != nil {
		return nil, err
	}
	hash, err := multihash.Cast(digest)
	if err != nil {
		return nil, err
	}
	key := cid.NewCidV1(cid.Raw, hash)
	if asked.Op == "provide" {
		return nil, p.dht.Provide(ctx, key, true)
	}
	found := []string{}
	for info := range p.dht.FindProvidersAsync(ctx, key, 5) {
		found = append(found, info.ID.String())
		break
	}
	return answer{"providers": found}, nil
}

func (p *probe) topic(name string) (*pubsub.Topic, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if topic, ok := p.topics[name]; ok {
		return topic, nil
	}
	topic, err := p.gossip.Join(name)
	if err == nil {
		p.topics[name] = topic
	}
	return topic, err
}

func (p *probe) subscribe(name string) error {
	topic, err := p.topic(name)
	if err != nil {
		return err
	}
	subscription, err := topic.Subscribe()
	if err != nil {
		return err
	}
	go func() {
		for {
			message, err := subscription.Next(context.Background())
			if err != nil {
				return
			}
			p.say(answer{
				"event": "message", "topic": name,
				"from": message.GetFrom().String(), "data": hex.EncodeToString(message.Data),
			})
		}
	}()
	return nil
}

func (p *probe) publish(ctx context.Context, asked request) error {
	topic, err := p.topic(asked.Topic)
	if err != nil {
		return err
	}
	data, err := hex.DecodeString(asked.Data)
	if err != nil {
		return err
	}
	return topic.Publish(ctx, data)
}
