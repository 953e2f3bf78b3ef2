// Which units a tier of memory holds: the decision alone, without the memory.
//
// A tier (compressed units in host memory, decoded ones in slots, ...) has one policy and tells it
// everything that happens, in order: OnAccess for every request; where the unit is not held, Admit,
// and if that says yes, OnEvict for each victim and then OnInsert. What the policy does not admit
// is read, used and forgotten.
#ifndef ECF8_LOADER_CACHE_CACHE_POLICY_H_
#define ECF8_LOADER_CACHE_CACHE_POLICY_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace ecf8 {

// A unit in all tiers and policies: the model's number with the unit's index in the model's walk.
constexpr uint64_t CacheKey(uint32_t model, uint32_t unit) { return uint64_t{model} << 32 | unit; }
constexpr uint32_t CacheKeyModel(uint64_t key) { return static_cast<uint32_t>(key >> 32); }
constexpr uint32_t CacheKeyUnit(uint64_t key) { return static_cast<uint32_t>(key); }

// What a tier holds or is asked for.
struct CacheUnit {
  uint64_t key = 0;
  uint64_t size_bytes = 0;  // in this tier
  uint32_t layer = 0;
  bool expert = false;  // false: every pass over the model uses the unit
  uint32_t model = 0;
};

// Why a unit is asked for. A hint announces a demand; a preload is an operator's wish.
enum class Access : uint8_t { kDemand, kHint, kPreload };

// What a pass over a model uses, in order: unit i of the walk has the key CacheKey(model, i).
struct ModelWalk {
  struct Unit {
    uint64_t size_bytes = 0;  // in this tier
    uint32_t layer = 0;
    bool expert = false;
  };
  uint32_t model = 0;
  std::vector<Unit> units;
};

// Thread-compatible. Deterministic: the same calls give the same answers.
class CachePolicy {
 public:
  virtual ~CachePolicy() = default;

  // Announces a model before the first access to a unit of it. Its number is not in use.
  virtual void AddModel(const ModelWalk& /*walk*/) {}

  // Forgets a model. None of its units is held any more.
  virtual void RemoveModel(uint32_t /*model*/) {}

  // Every request, before Admit; `hit`: the unit is held.
  virtual void OnAccess(const CacheUnit& unit, Access access, bool hit) = 0;

  // `unit` is not held, and `missing_bytes` more must be freed to hold it (0 where there is room).
  // True: it is to be held, and *victims, which must come in empty, names held units for which
  // can_evict is true and which together free at least `missing_bytes`. False: rather not held, or
  // impossible; *victims stays empty. With `must` the unit is held in any case, because it is
  // needed now: the cheapest victims are named, and false means that they do not suffice.
  // Changes nothing in the policy: what becomes of the answer is told by OnEvict and OnInsert.
  virtual bool Admit(const CacheUnit& unit, uint64_t missing_bytes, bool must,
                     const std::function<bool(uint64_t key)>& can_evict,
                     std::vector<uint64_t>* victims) = 0;

  // What holding the unit saves, a byte and use, beside what holding another saves: at least 0, and
  // 1 for all of which nothing was said. It counts from now on, also while the unit is not held.
  virtual void SetSaving(uint64_t /*key*/, double /*saving*/) {}

  virtual void OnInsert(const CacheUnit& unit) = 0;
  virtual void OnEvict(uint64_t key) = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_CACHE_POLICY_H_
