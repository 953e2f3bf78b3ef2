#include <algorithm>
#include <list>
#include <unordered_map>

#include "loader/cache/simulator/peers.h"

namespace ecf8 {
namespace {

// The queues in the names of the paper: small_ is S, main_ is M, ghost_ is G. To find victims is to
// move units between the queues, so that here Admit does change the policy: the caller carries out
// what it answers, as the simulator does.
class S3FifoPolicy : public CachePolicy {
 public:
  explicit S3FifoPolicy(uint64_t budget_bytes)
      : small_target_bytes_(budget_bytes / 10),
        ghost_target_bytes_(budget_bytes - budget_bytes / 10) {}

  void OnAccess(const CacheUnit& unit, Access access, bool hit) override {
    if (!hit || access != Access::kDemand) return;
    Entry& entry = held_.at(unit.key);
    entry.frequency = std::min(entry.frequency + 1, 3);
  }

  bool Admit(const CacheUnit& /*unit*/, uint64_t missing_bytes, bool /*must*/,
             const std::function<bool(uint64_t)>& can_evict,
             std::vector<uint64_t>* victims) override {
    uint64_t freed = 0;
    // Each unit is looked at no more than five times: promoted once, reinserted three times, taken.
    uint64_t looks = 5 * held_.size() + 1;
    while (freed < missing_bytes && looks-- > 0) {
      const bool from_small = small_.bytes >= small_target_bytes_ && !small_.keys.empty();
      const uint64_t key = from_small ? NextOfSmall() : NextOfMain();
      if (key == kNone) continue;
      if (!can_evict(key)) {
        Requeue(key);
        continue;
      }
      victims->push_back(key);
      freed += held_.at(key).size_bytes;
      Entry& entry = held_.at(key);
      Remove(entry);
      entry.taken = true;
    }
    if (freed >= missing_bytes) return true;
    for (const uint64_t key : *victims) Push(main_, key);
    victims->clear();
    return false;
  }

  void OnInsert(const CacheUnit& unit) override {
    Entry& entry = held_[unit.key];
    entry.size_bytes = unit.size_bytes;
    const auto ghost = ghost_index_.find(unit.key);
    if (ghost == ghost_index_.end()) {
      Push(small_, unit.key);
      return;
    }
    ghost_bytes_ -= unit.size_bytes;
    ghost_.erase(ghost->second);
    ghost_index_.erase(ghost);
    Push(main_, unit.key);
  }

  void OnEvict(uint64_t key) override {
    Entry& entry = held_.at(key);
    if (!entry.taken) Remove(entry);
    if (entry.queue == &small_) Remember(key, entry.size_bytes);
    held_.erase(key);
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};

  struct Queue {
    std::list<uint64_t> keys;  // the oldest first
    uint64_t bytes = 0;
  };
  struct Entry {
    uint64_t size_bytes = 0;
    int frequency = 0;
    Queue* queue = nullptr;  // where it is, or was when it was taken
    std::list<uint64_t>::iterator place;
    bool taken = false;
  };

  struct Ghost {
    uint64_t key;
    uint64_t size_bytes;
  };

  void Push(Queue& queue, uint64_t key) {
    Entry& entry = held_.at(key);
    entry.queue = &queue;
    entry.place = queue.keys.insert(queue.keys.end(), key);
    entry.taken = false;
    queue.bytes += entry.size_bytes;
  }

  void Remove(Entry& entry) {
    entry.queue->keys.erase(entry.place);
    entry.queue->bytes -= entry.size_bytes;
  }

  void Requeue(uint64_t key) {
    Entry& entry = held_.at(key);
    Queue& queue = *entry.queue;
    Remove(entry);
    Push(queue, key);
  }

  // A step of evictS: the oldest of S if it is to go, else kNone after it has moved to M.
  uint64_t NextOfSmall() {
    const uint64_t key = small_.keys.front();
    Entry& entry = held_.at(key);
    if (entry.frequency <= 1) return key;
    Remove(entry);
    entry.frequency = 0;
    Push(main_, key);
    return kNone;
  }

  // A step of evictM.
  uint64_t NextOfMain() {
    if (main_.keys.empty()) return small_.keys.empty() ? kNone : small_.keys.front();
    const uint64_t key = main_.keys.front();
    Entry& entry = held_.at(key);
    if (entry.frequency == 0) return key;
    --entry.frequency;
    Requeue(key);
    return kNone;
  }

  void Remember(uint64_t key, uint64_t size_bytes) {
    ghost_index_[key] = ghost_.insert(ghost_.end(), {key, size_bytes});
    ghost_bytes_ += size_bytes;
    while (ghost_bytes_ > ghost_target_bytes_) {
      ghost_bytes_ -= ghost_.front().size_bytes;
      ghost_index_.erase(ghost_.front().key);
      ghost_.pop_front();
    }
  }

  const uint64_t small_target_bytes_;
  const uint64_t ghost_target_bytes_;
  Queue small_, main_;
  std::list<Ghost> ghost_;  // evicted from S, the oldest first
  uint64_t ghost_bytes_ = 0;
  std::unordered_map<uint64_t, std::list<Ghost>::iterator> ghost_index_;
  std::unordered_map<uint64_t, Entry> held_;
};

}  // namespace

std::unique_ptr<CachePolicy> MakeS3FifoPolicy(uint64_t budget_bytes) {
  return std::make_unique<S3FifoPolicy>(budget_bytes);
}

}  // namespace ecf8
