// A plain rust-libp2p peer with its own Kademlia asks a node of ours: FIND_NODE, GET_PROVIDERS,
// GET_VALUE, and a PUT_VALUE that carries no record of ours. Prints one JSON object.
use futures::StreamExt;
use libp2p::kad::{self, store::MemoryStore, GetClosestPeersOk, GetProvidersOk, GetRecordOk, QueryResult};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{identify, noise, tcp, yamux, Multiaddr, PeerId, StreamProtocol, SwarmBuilder};
use std::time::Duration;

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let address: Multiaddr = args[1].parse().unwrap();
    let wanted: PeerId = args[2].parse().unwrap();
    let key = args[3].clone().into_bytes();
    let provided = hex(&args[4]);
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|pair| {
            let me = pair.public().to_peer_id();
            let mut config = kad::Config::new(StreamProtocol::new("/p2p/test/kad/1.0.0"));
            config.set_query_timeout(Duration::from_secs(15));
            Behaviour {
                kad: kad::Behaviour::with_config(me, MemoryStore::new(me), config),
                identify: identify::Behaviour::new(identify::Config::new("/probe/1".into(), pair.public())),
            }
        })
        .unwrap()
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.behaviour_mut().kad.set_mode(Some(kad::Mode::Client));
    swarm.dial(address).unwrap();
    let (mut closest, mut providers, mut value, mut put) = (None, None, None, None);
    let mut protocols = 0;
    let mut asked = false;
    let end = tokio::time::sleep(Duration::from_secs(50));
    tokio::pin!(end);
    loop {
        let event = tokio::select! { event = swarm.select_next_some() => event, _ = &mut end => break };
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                protocols = info.protocols.len();
                for one in info.listen_addrs { swarm.behaviour_mut().kad.add_address(&peer_id, one); }
                if !asked {
                    asked = true;
                    let kad = &mut swarm.behaviour_mut().kad;
                    kad.get_closest_peers(wanted);
                    kad.get_providers(kad::RecordKey::new(&provided));
                    kad.get_record(kad::RecordKey::new(&key));
                    let own = kad::Record::new(kad::RecordKey::new(&b"/data/plain/x".to_vec()), b"plain".to_vec());
                    kad.put_record(own, kad::Quorum::One).unwrap();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { result, step, .. })) => {
                match result {
                    QueryResult::GetClosestPeers(Ok(GetClosestPeersOk { peers, .. })) => {
                        closest = Some(peers.iter().any(|p| p.peer_id == wanted));
                    }
                    QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers: found, .. })) => {
                        if found.contains(&wanted) { providers = Some(true); }
                    }
                    QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(one))) => {
                        value = Some(one.record.value.len());
                    }
                    QueryResult::PutRecord(done) => put = Some(done.is_err()),
                    _ => {}
                }
                if step.last && closest.is_some() && put.is_some() && value.is_some() && providers.is_some() { break; }
            }
            _ => {}
        }
    }
    println!(
        "{{\"protocols\":{},\"findNode\":{},\"getProviders\":{},\"getValueBytes\":{},\"plainPutRefused\":{}}}",
        protocols, closest.unwrap_or(false), providers.unwrap_or(false), value.unwrap_or(0), put.unwrap_or(false)
    );
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
