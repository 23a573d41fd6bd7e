// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Agents by their Ethereum addresses
/// @notice Who an agent is, whether it may be written to, who blocked it, and what others say of
/// how it worked. It holds no money, calls no other contract and cannot be replaced under its
/// users: there is no proxy.
/// @dev An entry has an id that stays when the entry moves to another address, so that what belongs
/// to the agent (its list of blocked ones, its reputation) moves with it, without a loop.
contract AgentRegistry {
    enum Status {
        Online,
        Offline,
        Discontinued
    }

    struct Entry {
        uint64 id;
        uint64 registered;
        uint64 updated;
        Status status;
        address recovery;
        string name;
        string metadata;
    }

    struct Score {
        uint64 successes;
        uint64 failures;
    }

    uint256 public constant NAME_BYTES_MAX = 200;
    uint256 public constant METADATA_BYTES_MAX = 12_288;
    /// @notice How long a rater waits before it may rate the same agent again.
    uint256 public constant RATING_PAUSE = 1 minutes;

    address public owner;
    address public offeredOwner;
    /// @notice How many entries were ever made; the id of the newest.
    uint64 public agentCount;

    mapping(address agent => Entry) private entries;
    mapping(address agent => address to) private transferOffers;
    /// @notice Blocked by the owner for everybody; stays with an address that lost its entry.
    mapping(address agent => bool) public blockedForAll;
    mapping(uint64 id => mapping(address agent => bool)) private blocked;
    /// By the ids of both: who is blocked does not shake it off by moving its entry.
    mapping(uint64 id => mapping(uint64 agent => bool)) private blockedEntries;
    mapping(uint64 id => Score) private scores;
    mapping(address rater => bool) public canRate;
    mapping(address rater => mapping(uint64 id => uint256)) private ratedAt;

    event AgentRegistered(address indexed agent, uint64 indexed id, string name);
    event NameUpdated(address indexed agent, string name);
    event MetadataUpdated(address indexed agent, string metadata);
    event StatusChanged(address indexed agent, Status status);
    event RecoveryChanged(address indexed agent, address indexed recovery);
    event TransferOffered(address indexed from, address indexed to);
    event AgentTransferred(address indexed from, address indexed to, uint64 indexed id);
    event AgentBlocked(address indexed by, address indexed agent);
    event AgentUnblocked(address indexed by, address indexed agent);
    event AgentBlockedForAll(address indexed agent);
    event AgentUnblockedForAll(address indexed agent);
    event RaterChanged(address indexed rater, bool allowed);
    event ReputationUpdated(address indexed agent, address indexed rater, bool success);
    event OwnershipOffered(address indexed from, address indexed to);
    event OwnershipTransferred(address indexed from, address indexed to);

    error NotRegistered(address agent);
    error AlreadyRegistered(address agent);
    error BlockedForAll(address agent);
    error AlreadyDiscontinued(address agent);
    error NameSize(uint256 bytesFound, uint256 bytesMax);
    error MetadataSize(uint256 bytesFound, uint256 bytesMax);
    error NotOwner(address caller);
    error NotOffered(address from, address caller);
    error NotRecovery(address agent, address caller);
    error NotRater(address caller);
    error OwnRating(address caller);
    error RatedTooSoon(address agent, uint256 allowedAt);
    error AddressUnusable(address found);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyAgent() {
        if (entries[msg.sender].id == 0) revert NotRegistered(msg.sender);
        _;
    }

    constructor() {
        owner = msg.sender;
        emit OwnershipTransferred(address(0), msg.sender);
    }

    // ------------------------------------------------------------------ an agent for itself

    /// @notice Makes the caller's entry; `recovery` may be zero: then nobody can recover it.
    function registerAgent(
        string calldata name,
        string calldata metadata,
        address recovery
    ) external {
        if (entries[msg.sender].id != 0) revert AlreadyRegistered(msg.sender);
        if (blockedForAll[msg.sender]) revert BlockedForAll(msg.sender);
        checkName(name);
        checkMetadata(metadata);
        checkRecovery(recovery);
        agentCount += 1;
        uint64 id = agentCount;
        uint64 time = uint64(block.timestamp);
        entries[msg.sender] = Entry(id, time, time, Status.Online, recovery, name, metadata);
        emit AgentRegistered(msg.sender, id, name);
    }

    function updateName(string calldata name) external onlyAgent {
        checkName(name);
        entries[msg.sender].name = name;
        touch(msg.sender);
        emit NameUpdated(msg.sender, name);
    }

    function updateMetadata(string calldata metadata) external onlyAgent {
        checkMetadata(metadata);
        entries[msg.sender].metadata = metadata;
        touch(msg.sender);
        emit MetadataUpdated(msg.sender, metadata);
    }

    /// @notice Discontinued is for good: no agent comes back from it.
    function setStatus(Status status) external onlyAgent {
        Entry storage entry = entries[msg.sender];
        if (entry.status == Status.Discontinued) revert AlreadyDiscontinued(msg.sender);
        entry.status = status;
        touch(msg.sender);
        emit StatusChanged(msg.sender, status);
    }

    function setRecovery(address recovery) external onlyAgent {
        checkRecovery(recovery);
        entries[msg.sender].recovery = recovery;
        touch(msg.sender);
        emit RecoveryChanged(msg.sender, recovery);
    }

    /// @notice Offers the entry to another address, which takes it; zero takes the offer back.
    function transferAgent(address to) external onlyAgent {
        if (blockedForAll[msg.sender]) revert BlockedForAll(msg.sender);
        if (to == msg.sender) revert AddressUnusable(to);
        transferOffers[msg.sender] = to;
        emit TransferOffered(msg.sender, to);
    }

    /// @notice Takes an entry that was offered: nobody is given one against its will. The recovery
    /// address stays behind, or it could take the entry back.
    function acceptAgent(address from) external {
        if (transferOffers[from] != msg.sender) revert NotOffered(from, msg.sender);
        if (blockedForAll[from]) revert BlockedForAll(from);
        move(from, msg.sender);
    }

    /// @notice The recovery address, which has no entry of its own, takes the one whose key was
    /// lost, or was stolen by somebody who did not name another recovery address before. A block by
    /// the owner comes along, and stays on the address it was for.
    function recoverAgent(address agent) external {
        if (entries[agent].id == 0) revert NotRegistered(agent);
        if (entries[agent].recovery != msg.sender) revert NotRecovery(agent, msg.sender);
        if (blockedForAll[agent] && !blockedForAll[msg.sender]) {
            blockedForAll[msg.sender] = true;
            emit AgentBlockedForAll(msg.sender);
        }
        move(agent, msg.sender);
    }

    /// @notice The caller wants to hear nothing more from `agent`, registered or not.
    function blockAgent(address agent) external onlyAgent {
        if (agent == msg.sender || agent == address(0)) revert AddressUnusable(agent);
        setBlock(entries[msg.sender].id, agent, true);
        emit AgentBlocked(msg.sender, agent);
    }

    function unblockAgent(address agent) external onlyAgent {
        setBlock(entries[msg.sender].id, agent, false);
        emit AgentUnblocked(msg.sender, agent);
    }

    /// @notice Says how work with `agent` went; for raters that the owner named.
    function reportInteraction(address agent, bool success) external {
        if (!canRate[msg.sender]) revert NotRater(msg.sender);
        if (agent == msg.sender) revert OwnRating(msg.sender);
        uint64 id = entries[agent].id;
        if (id == 0) revert NotRegistered(agent);
        uint256 last = ratedAt[msg.sender][id];
        if (last != 0 && block.timestamp < last + RATING_PAUSE) {
            revert RatedTooSoon(agent, last + RATING_PAUSE);
        }
        ratedAt[msg.sender][id] = block.timestamp;
        if (success) scores[id].successes += 1;
        else scores[id].failures += 1;
        emit ReputationUpdated(agent, msg.sender, success);
    }

    // ------------------------------------------------------------------ the owner

    function blockForAll(address agent) external onlyOwner {
        if (agent == address(0)) revert AddressUnusable(agent);
        blockedForAll[agent] = true;
        emit AgentBlockedForAll(agent);
    }

    function unblockForAll(address agent) external onlyOwner {
        blockedForAll[agent] = false;
        emit AgentUnblockedForAll(agent);
    }

    function setCanRate(address rater, bool allowed) external onlyOwner {
        if (rater == address(0)) revert AddressUnusable(rater);
        canRate[rater] = allowed;
        emit RaterChanged(rater, allowed);
    }

    /// @notice Offers the ownership, which the other accepts; zero takes the offer back.
    function transferOwnership(address to) external onlyOwner {
        offeredOwner = to;
        emit OwnershipOffered(msg.sender, to);
    }

    function acceptOwnership() external {
        if (msg.sender != offeredOwner) revert NotOffered(owner, msg.sender);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        offeredOwner = address(0);
    }

    // ------------------------------------------------------------------ reading

    /// @notice Whether the address has an entry that was not discontinued.
    function isRegistered(address agent) external view returns (bool) {
        Entry storage entry = entries[agent];
        return entry.id != 0 && entry.status != Status.Discontinued;
    }

    /// @notice All of an entry; the id is zero where there is none.
    function getAgentInfo(address agent) external view returns (Entry memory) {
        return entries[agent];
    }

    /// @notice What a message from `agent` to `to` needs to know, in one question.
    function standing(
        address agent,
        address to
    ) external view returns (uint64 id, Status status, bool forAll, bool byReceiver) {
        Entry storage entry = entries[agent];
        uint64 receiver = entries[to].id;
        byReceiver = isBlocked(receiver, agent);
        return (entry.id, entry.status, blockedForAll[agent], byReceiver);
    }

    function isBlockedBy(address by, address agent) external view returns (bool) {
        return isBlocked(entries[by].id, agent);
    }

    function getReputation(
        address agent
    ) external view returns (uint64 successes, uint64 failures) {
        Score storage score = scores[entries[agent].id];
        return (score.successes, score.failures);
    }

    function offeredTo(address from) external view returns (address) {
        return transferOffers[from];
    }

    // ------------------------------------------------------------------ within

    function move(address from, address to) private {
        if (entries[from].id == 0) revert NotRegistered(from);
        if (entries[to].id != 0) revert AlreadyRegistered(to);
        if (blockedForAll[to] && !blockedForAll[from]) revert BlockedForAll(to);
        uint64 id = entries[from].id;
        entries[to] = entries[from];
        entries[to].recovery = address(0);
        delete entries[from];
        delete transferOffers[from];
        touch(to);
        emit AgentTransferred(from, to, id);
    }

    /// @notice An address, and the entry that it has now, wherever that moves.
    function setBlock(uint64 by, address agent, bool isOn) private {
        blocked[by][agent] = isOn;
        uint64 id = entries[agent].id;
        if (id != 0) blockedEntries[by][id] = isOn;
    }

    function isBlocked(uint64 by, address agent) private view returns (bool) {
        if (by == 0) return false;
        uint64 id = entries[agent].id;
        return blocked[by][agent] || (id != 0 && blockedEntries[by][id]);
    }

    function touch(address agent) private {
        entries[agent].updated = uint64(block.timestamp);
    }

    function checkName(string calldata name) private pure {
        uint256 size = bytes(name).length;
        if (size == 0 || size > NAME_BYTES_MAX) revert NameSize(size, NAME_BYTES_MAX);
    }

    function checkMetadata(string calldata metadata) private pure {
        uint256 size = bytes(metadata).length;
        if (size > METADATA_BYTES_MAX) revert MetadataSize(size, METADATA_BYTES_MAX);
    }

    function checkRecovery(address recovery) private view {
        if (recovery == msg.sender) revert AddressUnusable(recovery);
    }
}
