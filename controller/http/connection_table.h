#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace sluice::controller {

/// All connections of the HTTP server: how many there may be, in all and from one source, and how
/// many bytes they may make us hold. Who goes when there is no room is decided here and nowhere
/// else:
///   - a new connection takes the place of a stranger's: one of the source that has the most of
///     them, so that a source with many cannot push out others. Of that source's the one that has
///     been unfinished for longest goes, then the oldest WebSocket whose client has not joined a
///     room. Without strangers, one goes that has had an answer and is idle, of the source with the
///     most of those. Never one that is being answered, whose client has shown a token, or that has
///     joined: a newcomer has not shown one yet;
///   - when too many bytes are held, the slowest readers go: those that have made no progress for
///     longest, among those that hold at least the average.
///
/// Knows no sockets and no clock: connections register with a function that closes them.
class ConnectionTable {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// 0 = no limit.
  struct Limits {
    size_t max_connections = 0;
    size_t max_connections_per_source = 0;
    size_t max_held = 0;             ///< bytes, of all connections
    size_t max_held_per_source = 0;  ///< bytes, of the connections of one source
  };
  struct Counters {
    uint64_t accepted = 0;
    uint64_t refused_full = 0;         ///< all places taken by connections that may not go
    uint64_t refused_source_full = 0;  ///< all places of one source
    uint64_t evicted_unfinished = 0;
    uint64_t evicted_idle = 0;
    uint64_t evicted_not_joined = 0;
    uint64_t evicted_held_source = 0;  ///< slow readers of a source that held too much
    uint64_t evicted_held = 0;         ///< slow readers when all together held too much
  };
  /// In the order in which those of one source go. The last two never go.
  enum class Phase { kUnfinished, kIdle, kNotJoined, kServing, kJoined };

  class Entry;

  explicit ConnectionTable(Limits limits) : limits_(limits) {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  /// A place for a connection of `source` (an address, or what stands for one), unfinished; "" is
  /// for connections of many clients, as a proxy's, which have no limits of one source. Null when
  /// there is none. `close` ends the connection at once; it may be called for another
  /// connection's sake at any time until the entry is destroyed, and must not destroy it itself.
  std::unique_ptr<Entry> Admit(const std::string& source, std::function<void()> close,
                               TimePoint now);
  /// Closes every connection.
  void CloseAll();

  size_t size() const { return entries_.size(); }
  size_t held() const { return held_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Source {
    std::vector<Entry*> entries;
    size_t held = 0;
  };
  /// Phase, since when, and the number of the entry for those of the same moment.
  using Order = std::tuple<Phase, TimePoint, uint64_t>;

  /// Connections that may go, by their source.
  class Evictable {
   public:
    void Add(Entry* entry);
    void Remove(Entry* entry);
    /// The first to go of the source that has the most; null when there is none.
    Entry* FirstToGo() const;
    /// The same of one source.
    Entry* FirstToGo(const std::string& source) const;

   private:
    using Entries = std::map<Order, Entry*>;
    /// How many, and which goes first: the oldest decides between sources that have as many.
    struct Rank {
      size_t count = 0;
      Order first;
      Entry* entry = nullptr;
      bool operator<(const Rank& other) const;
    };
    static Rank RankOf(const std::string& source, const Entries& entries);

    std::map<std::string, Entries> by_source_;
    std::set<Rank> ranks_;  ///< of the sources; who goes first comes first
  };

  /// Whether `source` may have one more connection, if need be in the place of one that may go.
  bool MakeRoom(const std::string& source);
  void Leave(Entry* entry);
  /// The list that the entry belongs into while it may go.
  Evictable& ListOf(const Entry& entry);
  Entry* SlowestReader(const std::vector<Entry*>& of, size_t held) const;
  std::vector<Entry*> All() const;
  void Evict(Entry* victim);
  /// Takes an entry out of all counts; it stays an object of its owner.
  void Remove(Entry* entry);
  void CountEviction(Phase phase);

  Limits limits_;
  std::map<std::string, Source> sources_;
  std::map<uint64_t, Entry*> entries_;
  Evictable strangers_;
  Evictable known_;  ///< that have had an answer
  size_t held_ = 0;
  uint64_t next_number_ = 0;
  Counters counters_;
};

/// A connection's place; gives it back when it is destroyed. Must not outlive the table.
class ConnectionTable::Entry {
 public:
  ~Entry();
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  void SetPhase(Phase phase, TimePoint now);
  /// A whole request of it was answered: it does not make room for strangers any more.
  void SetKnown();
  /// Its client has shown a valid token: it never goes for others, whatever it does.
  void SetAuthenticated();
  /// From now on the connection counts for `source`, whose client has not shown a token. False when
  /// that has no place for it, nor one that may go: then it counts for whom it did.
  bool MoveTo(const std::string& source);
  /// Bytes that the connection makes us hold now: a request's body, a response or messages that
  /// wait to be sent. May evict connections, this one among them: then it is false.
  bool Hold(size_t bytes, TimePoint now);
  /// The client took or sent some of what it is being waited for.
  void Progress(TimePoint now) { waiting_since_ = now; }
  /// False once the table has closed the connection.
  bool live() const { return live_; }
  Phase phase() const { return phase_; }
  /// Whom the connection counts for.
  const std::string& source() const { return source_; }

 private:
  friend class ConnectionTable;
  Entry(ConnectionTable* table, uint64_t number, std::string source, std::function<void()> close,
        TimePoint now);
  Order order() const { return {phase_, since_, number_}; }
  /// Whether it is in one of the table's lists: it makes room where that is needed.
  bool MayGo() const { return live_ && phase_ < Phase::kServing && !authenticated_; }

  ConnectionTable* table_;
  uint64_t number_;
  std::string source_;
  std::function<void()> close_;
  Phase phase_ = Phase::kUnfinished;
  bool known_ = false;
  bool authenticated_ = false;
  TimePoint since_;
  TimePoint waiting_since_;
  size_t held_ = 0;
  bool live_ = true;
};

}  // namespace sluice::controller
