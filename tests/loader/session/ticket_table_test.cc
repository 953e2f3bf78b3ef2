#include "loader/session/ticket_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uid_t kOwner = 1000;
constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

std::string Bytes(const Ticket& ticket) { return std::string(ticket.begin(), ticket.end()); }

TEST(TicketTable, GivesTheOwnerTicketsThatDiffer) {
  TicketTable tickets(kOwner);
  std::set<Ticket> seen;
  for (int i = 0; i < 100; ++i) {
    const auto ticket = tickets.Issue(kOwner);
    ASSERT_THAT(ticket, IsOk());
    EXPECT_TRUE(seen.insert(*ticket).second);
  }
}

TEST(TicketTable, GivesNobodyElseOne) {
  TicketTable tickets(kOwner);
  EXPECT_THAT(tickets.Issue(kOwner + 1), StatusIs(kDenied, HasSubstr("user 1001 may fetch")));
  EXPECT_THAT(tickets.Issue(0), StatusIs(kDenied, HasSubstr("user 0")));
}

TEST(TicketTable, ATicketOpensOneSession) {
  TicketTable tickets(kOwner);
  const Ticket ticket = *tickets.Issue(kOwner);
  EXPECT_TRUE(tickets.Knows(ticket));
  EXPECT_FALSE(tickets.IsRedeemed(ticket));
  EXPECT_THAT(tickets.Redeem(Bytes(ticket), nullptr), IsOk());
  EXPECT_TRUE(tickets.IsRedeemed(ticket));
  EXPECT_THAT(tickets.Redeem(Bytes(ticket), nullptr), StatusIs(kDenied, HasSubstr("ticket")));
  tickets.End(ticket);
  EXPECT_FALSE(tickets.Knows(ticket));
  EXPECT_THAT(tickets.Redeem(Bytes(ticket), nullptr), StatusIs(kDenied, HasSubstr("ticket")));
}

TEST(TicketTable, RefusesForgedOnes) {
  TicketTable tickets(kOwner);
  std::string bytes = Bytes(*tickets.Issue(kOwner));
  for (char& byte : bytes) {
    byte ^= 1;
    EXPECT_THAT(tickets.Redeem(bytes, nullptr), StatusIs(kDenied, HasSubstr("ticket")));
    byte ^= 1;
  }
  for (const std::string& other :
       {std::string(), bytes.substr(1), bytes + "x", std::string(16, '\0')}) {
    EXPECT_THAT(tickets.Redeem(other, nullptr), StatusIs(kDenied, HasSubstr("ticket")));
  }
  EXPECT_THAT(tickets.Redeem(bytes, nullptr), IsOk());
}

TEST(TicketTable, TellsTheSessionOnceThatItsTicketIsVoid) {
  TicketTable tickets(kOwner);
  const Ticket ticket = *tickets.Issue(kOwner);
  int told = 0;
  ASSERT_THAT(tickets.Redeem(Bytes(ticket), [&] { ++told; }), IsOk());
  tickets.Void(ticket);
  tickets.Void(ticket);
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(tickets.Knows(ticket));
  // But not one that has ended.
  const Ticket other = *tickets.Issue(kOwner);
  ASSERT_THAT(tickets.Redeem(Bytes(other), [&] { ++told; }), IsOk());
  tickets.End(other);
  tickets.Void(other);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace ecf8
