"""The listing's parser and the model of tools/sass_report."""

import unittest

import context  # noqa: F401
import sass_listing
import sass_model
import sass_report


def _line(address: int, text: str, timing: int) -> str:
    second = timing << 41
    return (
        f"        /*{address:04x}*/                   {text} ;"
        f"    /* 0x0000000000000000 */\n"
        f"                                              /* 0x{second:016x} */\n"
    )


def _timing(stall: int, write: int = 7, wait: int = 0) -> int:
    return stall | write << 5 | 7 << 8 | wait << 11


class ListingTest(unittest.TestCase):
    def test_reads_timing_and_labels(self) -> None:
        text = _line(0, "LDS.U16 R1, [R2]", _timing(2, write=3)) + ".L_x_1:\n"
        text += _line(16, "@!P0 IADD3 R3, R1, 0x1, RZ", _timing(4, wait=8))
        text += _line(32, "@P1 BRA `(.L_x_1)", _timing(5))
        listing = sass_listing.parse(text)
        self.assertEqual([i.name for i in listing.code], ["LDS", "IADD3", "BRA"])
        self.assertEqual(listing.code[0].write_barrier, 3)
        self.assertEqual(listing.code[1].wait_mask, 8)
        self.assertEqual([i.stall for i in listing.code], [2, 4, 5])
        self.assertEqual(listing.target(2), 1)
        self.assertIsNone(listing.target(0))

    def test_a_replay_waits_for_barriers(self) -> None:
        text = _line(0, "LDS.U16 R1, [R2]", _timing(2, write=3))
        text += _line(16, "IADD3 R3, R1, 0x1, RZ", _timing(4, wait=8))
        code = sass_listing.parse(text).code
        self.assertEqual(sass_model.replay(code), sass_model.LATENCIES["LDS"] + 4)


class ModelTest(unittest.TestCase):
    def test_occupancy(self) -> None:
        self.assertEqual(sass_model.shared_bytes(24), 97280)
        self.assertEqual(sass_model.resident(sass_model.CHIPS["sm_90"], 24, 40), (2, 48))
        self.assertEqual(sass_model.resident(sass_model.CHIPS["sm_90"], 24, 64), (1, 24))
        self.assertEqual(sass_model.resident(sass_model.CHIPS["sm_89"], 24, 40), (1, 24))

    def test_the_check_finds_what_is_worse(self) -> None:
        figures = {a: {"spill_bytes": 0, "registers": 40} for a in sass_report.ARCHITECTURES}
        self.assertEqual(sass_report.check(figures, {"sm_90": {"most_registers": 40}}), [])
        self.assertEqual(len(sass_report.check(figures, {"sm_90": {"most_registers": 39}})), 1)
        self.assertEqual(len(sass_report.check(figures, {"sm_90": {"least_registers": 41}})), 1)
        figures["sm_120"]["spill_bytes"] = 4
        self.assertEqual(len(sass_report.check(figures, {})), 1)


if __name__ == "__main__":
    unittest.main()
