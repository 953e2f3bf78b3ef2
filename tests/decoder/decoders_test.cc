#include "decoder/decoders.h"

#include <set>
#include <string_view>

#include "gtest/gtest.h"

namespace ecf8 {
namespace {

TEST(DecodersTest, NamesAreUniqueAndPortableIsTheLastResort) {
  std::set<std::string_view> names;
  for (const DecoderImplementation& decoder : AllDecoders()) names.insert(decoder.name);
  EXPECT_EQ(names.size(), AllDecoders().size());
  EXPECT_EQ(AllDecoders().back().name, "portable");
  EXPECT_TRUE(AllDecoders().back().supported());
}

TEST(DecodersTest, SelectsOneThatIsSupported) { EXPECT_TRUE(SelectedDecoder().supported()); }

}  // namespace
}  // namespace ecf8
