// Where fetched bytes are put: tensors in several units, gaps, memory that is refused.

#include "rpc/public/fetch_sinks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Pair;

// A part of tensor `name`, of U8.
void AddTensor(v1::Unit* unit, const std::string& name, uint64_t whole_bytes, uint64_t offset_bytes,
               uint64_t size_bytes, uint64_t decoded_offset_bytes) {
  v1::Tensor* const tensor = unit->add_tensors();
  tensor->set_name(name);
  tensor->set_dtype("U8");
  tensor->add_shape(whole_bytes);
  tensor->set_tensor_offset_bytes(offset_bytes);
  tensor->set_size_bytes(size_bytes);
  tensor->set_decoded_offset_bytes(decoded_offset_bytes);
  unit->set_decoded_size_bytes(decoded_offset_bytes + size_bytes);
}

class PlacingSinkTest : public ::testing::Test {
 protected:
  FindTarget Find() {
    return [this](size_t number, uint64_t size_bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
      asked_.emplace_back(number, size_bytes);
      if (number >= memory_.size()) return absl::ResourceExhaustedError("no more memory");
      memory_[number].resize(size_bytes, '?');
      return absl::MakeSpan(reinterpret_cast<uint8_t*>(memory_[number].data()), size_bytes);
    };
  }
  static void Bring(PlacingSink& sink, const v1::Unit& unit, int tensor, uint64_t offset_bytes,
                    const std::string& bytes) {
    const v1::Tensor& part = unit.tensors(tensor);
    const absl::Span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes.data()),
                                         bytes.size());
    ASSERT_THAT(sink.TensorBytes(part, part.tensor_offset_bytes() + offset_bytes, span), IsOk());
    ASSERT_THAT(sink.UnitData(part.decoded_offset_bytes() + offset_bytes, bytes), IsOk());
  }

  std::vector<std::string> memory_ = std::vector<std::string>(3);
  std::vector<std::pair<size_t, uint64_t>> asked_;
};

TEST_F(PlacingSinkTest, APartGoesToItsPlaceInTheTensor) {
  const FetchRequest request{.tensors = {"split", "other"}};
  PlacingSink sink(request, Find());
  v1::Unit first;
  AddTensor(&first, "split", 7, 0, 4, 0);
  v1::Unit second;
  AddTensor(&second, "split", 7, 4, 3, 0);
  AddTensor(&second, "other", 2, 0, 2, 256);
  ASSERT_THAT(sink.UnitBegin(first), IsOk());
  Bring(sink, first, 0, 0, "ab");
  Bring(sink, first, 0, 2, "cd");
  ASSERT_THAT(sink.UnitEnd(), IsOk());
  ASSERT_THAT(sink.UnitBegin(second), IsOk());
  Bring(sink, second, 0, 0, "efg");
  Bring(sink, second, 1, 0, "xy");
  ASSERT_THAT(sink.UnitEnd(), IsOk());
  EXPECT_EQ(memory_[0], "abcdefg");
  EXPECT_EQ(memory_[1], "xy");
  EXPECT_THAT(asked_, ElementsAre(Pair(0, 7), Pair(0, 7), Pair(1, 2)));
}

TEST_F(PlacingSinkTest, GapsOfAUnitAreZeros) {
  const FetchRequest request{.units = {"u"}};
  PlacingSink sink(request, Find());
  v1::Unit unit;
  AddTensor(&unit, "a", 3, 0, 3, 0);
  AddTensor(&unit, "b", 2, 0, 2, 256);
  unit.set_decoded_size_bytes(260);
  ASSERT_THAT(sink.UnitBegin(unit), IsOk());
  Bring(sink, unit, 0, 0, "abc");
  Bring(sink, unit, 1, 0, "xy");
  ASSERT_THAT(sink.UnitEnd(), IsOk());
  EXPECT_EQ(memory_[0], "abc" + std::string(253, '\0') + "xy" + std::string(2, '\0'));
}

TEST_F(PlacingSinkTest, WhereThereIsNoMemoryTheFetchEnds) {
  const FetchRequest request{.units = {"u"}, .tensors = {"a", "b", "c"}};
  PlacingSink sink(request, Find());
  v1::Unit unit;
  ASSERT_THAT(sink.UnitBegin(unit), IsOk());
  ASSERT_THAT(sink.UnitEnd(), IsOk());
  v1::Unit tensors;
  AddTensor(&tensors, "c", 1, 0, 1, 0);
  EXPECT_THAT(sink.UnitBegin(tensors),
              StatusIs(absl::StatusCode::kResourceExhausted, "no more memory"));
}

}  // namespace
}  // namespace ecf8
