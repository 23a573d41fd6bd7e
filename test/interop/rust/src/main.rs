// A plain rust-libp2p peer with its own Kademlia, GossipSub, relay and hole punching, and none of our
// code. It takes one JSON object a line on stdin, `{"id":1,"op":"dial","addr":"…"}`, and answers each
// with one on stdout: `{"id":1,"ok":true,…}` or `{"id":1,"ok":false,"error":"…"}`. It ends with stdin.
use futures::StreamExt;
use libp2p::kad::{self, store::MemoryStore, GetProvidersOk, GetRecordOk, QueryId, QueryResult};
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{dial_opts::DialOpts, ConnectionId, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{dcutr, gossipsub, identify, noise, ping, relay, tcp, tls, yamux};
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    relay_client: relay::client::Behaviour,
    relay: libp2p::swarm::behaviour::toggle::Toggle<relay::Behaviour>,
    dcutr: libp2p::swarm::behaviour::toggle::Toggle<dcutr::Behaviour>,
}

type Answer = Result<Value, String>;

#[derive(Default)]
struct Probe {
    dials: HashMap<ConnectionId, u64>,
    queries: HashMap<QueryId, (u64, Vec<String>)>,
    pings: Vec<(u64, PeerId)>,
    identifies: Vec<(u64, PeerId)>,
    reservations: Vec<u64>,
    /// Where a relay makes us reachable, and within which limits: told in two events.
    circuit: Option<String>,
    limit: Option<Value>,
    known: HashMap<PeerId, identify::Info>,
    paths: HashMap<ConnectionId, (PeerId, ConnectedPoint)>,
}

fn flag(name: &str, fallback: &str) -> String {
    let prefix = format!("--{name}=");
    std::env::args().find_map(|a| a.strip_prefix(&prefix).map(str::to_string)).unwrap_or(fallback.into())
}

fn build() -> Swarm<Behaviour> {
    let kad_id = format!("/{}/kad/1.0.0", flag("kad", "/p2p").trim_matches('/'));
    let (serve, private) = (flag("relay", "false") == "true", flag("private", "false") == "true");
    let behaviour = move |pair: &libp2p::identity::Keypair, relay_client| {
        let me = pair.public().to_peer_id();
        let mut config = kad::Config::new(StreamProtocol::try_from_owned(kad_id).unwrap());
        config.set_query_timeout(Duration::from_secs(15));
        let mut kad = kad::Behaviour::with_config(me, MemoryStore::new(me), config);
        kad.set_mode(Some(kad::Mode::Server));
        let signed = gossipsub::MessageAuthenticity::Signed(pair.clone());
        let gossip = gossipsub::Behaviour::new(signed, gossipsub::Config::default()).unwrap();
        Behaviour {
            kad,
            gossip,
            relay_client,
            identify: identify::Behaviour::new(identify::Config::new("/probe/1".into(), pair.public())),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_millis(500))),
            relay: serve.then(|| relay::Behaviour::new(me, relay::Config::default())).into(),
            dcutr: private.then(|| dcutr::Behaviour::new(me)).into(),
        }
    };
    let builder = SwarmBuilder::with_new_identity().with_tokio();
    let idle = |c: libp2p::swarm::Config| c.with_idle_connection_timeout(Duration::from_secs(60));
    if flag("security", "noise") == "tls" {
        return builder
            .with_tcp(tcp::Config::default(), tls::Config::new, yamux::Config::default).unwrap()
            .with_quic()
            .with_relay_client(tls::Config::new, yamux::Config::default).unwrap()
            .with_behaviour(behaviour).unwrap().with_swarm_config(idle).build();
    }
    builder
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default).unwrap()
        .with_quic()
        .with_relay_client(noise::Config::new, yamux::Config::default).unwrap()
        .with_behaviour(behaviour).unwrap().with_swarm_config(idle).build()
}

fn say(value: Value) {
    println!("{value}");
}

fn answer(id: u64, found: Answer) {
    match found {
        Ok(mut value) => {
            value["id"] = json!(id);
            value["ok"] = json!(true);
            say(value);
        }
        Err(error) => say(json!({ "id": id, "ok": false, "error": error })),
    }
}

fn addresses(swarm: &Swarm<Behaviour>) -> Vec<String> {
    swarm.listeners().map(|a| format!("{a}/p2p/{}", swarm.local_peer_id())).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut swarm = build();
    let listen = flag("listen", "/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/udp/0/quic-v1");
    for one in listen.split(',').filter(|one| !one.is_empty()) {
        swarm.listen_on(one.parse().unwrap()).unwrap();
    }
    let wanted = listen.split(',').filter(|one| !one.is_empty()).count();
    let mut probe = Probe::default();
    let mut ready = false;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        if !ready && swarm.listeners().count() >= wanted {
            ready = true;
            if flag("relay", "false") == "true" {
                for one in swarm.listeners().cloned().collect::<Vec<_>>() { swarm.add_external_address(one) }
            }
            say(json!({ "event": "ready", "peerId": swarm.local_peer_id().to_string(), "addresses": addresses(&swarm) }));
        }
        tokio::select! {
            event = swarm.select_next_some() => probe.take(&mut swarm, event),
            line = lines.next_line() => match line {
                Ok(Some(text)) => {
                    let asked: Value = serde_json::from_str(&text).unwrap_or(json!({}));
                    let id = asked["id"].as_u64().unwrap_or(0);
                    match probe.ask(&mut swarm, id, &asked) {
                        Ok(Some(found)) => answer(id, Ok(found)),
                        Ok(None) => {}
                        Err(error) => answer(id, Err(error)),
                    }
                }
                _ => break,
            },
        }
    }
}

impl Probe {
    /// `None`: the answer follows.
    fn ask(&mut self, swarm: &mut Swarm<Behaviour>, id: u64, asked: &Value) -> Result<Option<Value>, String> {
        let text = |name: &str| asked[name].as_str().unwrap_or("").to_string();
        let peer = || text("peer").parse::<PeerId>().map_err(|e| e.to_string());
        match text("op").as_str() {
            "addresses" => Ok(Some(json!({ "addresses": addresses(swarm) }))),
            "dial" => {
                let address: Multiaddr = text("addr").parse().map_err(|e| format!("{e}"))?;
                let options = DialOpts::from(address);
                self.dials.insert(options.connection_id(), id);
                swarm.dial(options).map_err(|e| e.to_string())?;
                Ok(None)
            }
            "reserve" => {
                let address: Multiaddr = text("addr").parse().map_err(|e| format!("{e}"))?;
                swarm.listen_on(address.with(Protocol::P2pCircuit)).map_err(|e| e.to_string())?;
                self.reservations.push(id);
                Ok(None)
            }
            "ping" => { self.pings.push((id, peer()?)); Ok(None) }
            "identify" => {
                let peer = peer()?;
                match self.known.get(&peer) {
                    Some(info) => Ok(Some(told(info))),
                    None => { self.identifies.push((id, peer)); Ok(None) }
                }
            }
            "paths" => {
                let peer = peer()?;
                // The remote address of a circuit that comes in names nothing but the peer.
                let paths: Vec<Value> = self.paths.values().filter(|(one, _)| *one == peer)
                    .map(|(_, end)| json!({
                        "address": end.get_remote_address().to_string(), "inbound": end.is_listener(),
                        "limited": end.is_relayed(),
                    })).collect();
                Ok(Some(json!({ "paths": paths })))
            }
            "close" => swarm.disconnect_peer_id(peer()?).map(|_| Some(json!({}))).map_err(|_| "not connected".into()),
            "subscribe" => swarm.behaviour_mut().gossip.subscribe(&gossipsub::IdentTopic::new(text("topic")))
                .map(|_| Some(json!({}))).map_err(|e| e.to_string()),
            "publish" => swarm.behaviour_mut().gossip.publish(gossipsub::IdentTopic::new(text("topic")), hex(&text("data")))
                .map(|_| Some(json!({}))).map_err(|e| e.to_string()),
            op => self.ask_kad(swarm, id, op, asked),
        }
    }

    fn ask_kad(&mut self, swarm: &mut Swarm<Behaviour>, id: u64, op: &str, asked: &Value) -> Result<Option<Value>, String> {
        let text = |name: &str| asked[name].as_str().unwrap_or("").to_string();
        let kad = &mut swarm.behaviour_mut().kad;
        let query = match op {
            "findNode" => kad.get_closest_peers(text("peer").parse::<PeerId>().map_err(|e| e.to_string())?),
            "get" => kad.get_record(kad::RecordKey::new(&text("key").into_bytes())),
            "put" => {
                let record = kad::Record::new(text("key").into_bytes(), hex(&text("value")));
                kad.put_record(record, kad::Quorum::One).map_err(|e| e.to_string())?
            }
            "provide" => kad.start_providing(kad::RecordKey::new(&hex(&text("key")))).map_err(|e| e.to_string())?,
            "providers" => kad.get_providers(kad::RecordKey::new(&hex(&text("key")))),
            _ => return Err(format!("no op {op:?}")),
        };
        self.queries.insert(query, (id, vec![text("peer")]));
        Ok(None)
    }

    fn take(&mut self, swarm: &mut Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.paths.insert(connection_id, (peer_id, endpoint));
                if let Some(id) = self.dials.remove(&connection_id) {
                    answer(id, Ok(json!({ "peer": peer_id.to_string() })));
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => { self.paths.remove(&connection_id); }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(id) = self.dials.remove(&connection_id) { answer(id, Err(error.to_string())) }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if address.iter().any(|p| p == Protocol::P2pCircuit) {
                    let me = swarm.local_peer_id();
                    let whole = if address.to_string().ends_with(&me.to_string()) { address.to_string() }
                        else { format!("{address}/p2p/{me}") };
                    self.circuit = Some(whole);
                    self.reserved();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::RelayClient(relay::client::Event::ReservationReqAccepted { limit, .. })) => {
                let limit = limit.as_ref();
                self.limit = Some(json!({
                    "seconds": limit.and_then(|one| one.duration()).map(|time| time.as_secs()),
                    "bytes": limit.and_then(|one| one.data_in_bytes()),
                }));
                self.reserved();
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                for id in self.reservations.drain(..) { answer(id, Err(format!("{reason:?}"))) }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                for one in &info.listen_addrs { swarm.behaviour_mut().kad.add_address(&peer_id, one.clone()); }
                self.identifies.retain(|(id, peer)| {
                    if *peer == peer_id { answer(*id, Ok(told(&info))) }
                    *peer != peer_id
                });
                self.known.insert(peer_id, info);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer: from, result, .. })) => {
                self.pings.retain(|(id, peer)| {
                    if *peer != from { return true }
                    let found = result.as_ref().map(|rtt| json!({ "ms": rtt.as_secs_f64() * 1000.0 }));
                    answer(*id, found.map_err(|e| e.to_string()));
                    false
                });
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                let data: String = message.data.iter().map(|b| format!("{b:02x}")).collect();
                let from = message.source.map(|p| p.to_string());
                say(json!({ "event": "message", "topic": message.topic.as_str(), "from": from, "data": data }));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Dcutr(dcutr::Event { remote_peer_id, result })) => {
                let error = result.err().map(|e| e.to_string());
                say(json!({ "event": "dcutr", "peer": remote_peer_id.to_string(), "error": error }));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, step, .. })) => {
                self.progressed(id, result, step.last);
            }
            _ => {}
        }
    }

    fn reserved(&mut self) {
        let (Some(circuit), Some(limit)) = (&self.circuit, &self.limit) else { return };
        for id in self.reservations.drain(..) {
            let mut told = limit.clone();
            told["address"] = json!(circuit);
            answer(id, Ok(told));
        }
    }

    fn progressed(&mut self, query: QueryId, result: QueryResult, last: bool) {
        let Some((id, seen)) = self.queries.get_mut(&query) else { return };
        let (id, wanted) = (*id, seen[0].clone());
        let found: Option<Answer> = match result {
            QueryResult::GetClosestPeers(done) => Some(done.map_err(|e| e.to_string()).and_then(|ok| {
                let one = ok.peers.iter().find(|p| p.peer_id.to_string() == wanted);
                one.map(|p| json!({ "addresses": p.addrs.iter().map(|a| a.to_string()).collect::<Vec<_>>() }))
                    .ok_or("not among the closest".into())
            })),
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(one))) => {
                let value: String = one.record.value.iter().map(|b| format!("{b:02x}")).collect();
                Some(Ok(json!({ "value": value })))
            }
            QueryResult::GetRecord(done) => last.then(|| Err(format!("{done:?}"))),
            QueryResult::PutRecord(done) => Some(done.map(|_| json!({})).map_err(|e| e.to_string())),
            QueryResult::StartProviding(done) => Some(done.map(|_| json!({})).map_err(|e| e.to_string())),
            QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
                seen.extend(providers.iter().map(|p| p.to_string()));
                last.then(|| Ok(json!({ "providers": seen[1..].to_vec() })))
            }
            QueryResult::GetProviders(_) => last.then(|| Ok(json!({ "providers": seen[1..].to_vec() }))),
            _ => None,
        };
        if let Some(found) = found {
            self.queries.remove(&query);
            answer(id, found);
        }
    }
}

fn told(info: &identify::Info) -> Value {
    json!({
        "agent": info.agent_version,
        "protocols": info.protocols.iter().map(|p| p.to_string()).collect::<Vec<_>>(),
        "addresses": info.listen_addrs.iter().map(|a| a.to_string()).collect::<Vec<_>>(),
        "observed": info.observed_addr.to_string(),
    })
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap_or(0)).collect()
}
