"""What the benchmark says about its figures: sentences about curves, plots, targets, the sums of capacity.md."""
import json
import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import bars  # noqa: E402
import capacity  # noqa: E402
import growth  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402


def line(figure, sizes=(10, 100, 1000, 10_000)):
    return [(size, figure(size)) for size in sizes]


class Sentences(unittest.TestCase):
    def test_a_line_that_does_not_grow_is_flat(self):
        self.assertEqual(growth.describe(line(lambda n: 100 + n * 0.001), "rule", "us"),
                         "flat: 1.10 times at 10,000 what it is at 10; no cliff")

    def test_the_cost_of_one_more_is_told_from_where_the_line_grows(self):
        self.assertEqual(growth.describe(line(lambda n: 100 + n * 0.25), "rule", "us"),
                         "flat up to 100, then 0.25 us for each further rule; no cliff")

    def test_a_line_that_grows_with_the_square_of_its_size_has_a_cliff(self):
        self.assertIn("a cliff between 1,000 and 10,000", growth.describe(line(lambda n: 100 + n * n * 0.001), "rule", "us"))

    def test_a_larger_size_that_costs_less_shows_that_a_smaller_one_was_noise(self):
        self.assertEqual(growth.describe([(1, 100.0), (10, 180.0), (100, 101.0)], "recipient", "us"),
                         "flat: 1.01 times at 100 what it is at 1; no cliff")

    def test_a_body_costs_by_the_mebibyte(self):
        self.assertIn("1000.00 us for each further MiB",
                      growth.describe(line(lambda n: 100 + n * 1000 / growth.MIB, (1024, 1 << 20, 50 << 20)), "MiB", "us"))


class Plots(unittest.TestCase):
    def test_a_plot_is_well_formed_and_the_same_each_time(self):
        series = {"a < b": [(10, 0.5), (1000, 700.0)], "empty": []}
        first = plot.svg("CPU & more", "rules", "us", series)
        self.assertEqual(first, plot.svg("CPU & more", "rules", "us", series))
        tree = xml.etree.ElementTree.fromstring(first)
        self.assertEqual(len(tree.findall(".//{http://www.w3.org/2000/svg}circle")), 2)

    def test_points_lie_inside_the_axes(self):
        tree = xml.etree.ElementTree.fromstring(plot.svg("t", "x", "y", {"one": [(1, 1), (50_000_000, 1e6)]}))
        for dot in tree.findall(".//{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(plot.LEFT <= float(dot.get("cx")) <= plot.WIDTH - plot.RIGHT)
            self.assertTrue(plot.TOP <= float(dot.get("cy")) <= plot.HEIGHT - plot.BOTTOM)


class Targets(unittest.TestCase):
    def test_holds_is_said_of_the_figure_before_it_is_rounded(self):
        found = bars.all_bars({"busy": {"E": {"messages/s": 1000, "CPU us/message": 100},
                                        "sluice/wire": {"messages/s": 1499, "CPU us/message": 50}}})
        self.assertIn((1, "messages/s, wire / E", ">= 1.5", "1.50", "**no**"), found)
        self.assertIn((2, "CPU per message, wire / E", "<= 0.5", "0.50", "yes"), found)

    def test_what_was_not_measured_has_no_line(self):
        self.assertEqual(bars.all_bars({}), [])
        self.assertEqual(bars.all_bars({"peers": {"rspamd": "skipped: rspamd is not installed"}}), [])

    def test_a_peer_that_is_missing_is_named_with_the_reason(self):
        self.assertIn("| go | skipped: go not installed |", peers.table("peers", {
            "E": {"messages/s": 1, "CPU us/message": 1, "Redis us/message": 0, "MiB": 1, "threads": 1},
            "go": "skipped: go not installed"}))


class Capacity(unittest.TestCase):
    KNOWN = {"about": "a day", "machine": "a machine", "load before": 0.1, "cores": 2, "idle": 10_000, "rows": {
        "busy": {"sluice/wire": {"CPU us/message": 50.0, "RSS KiB": 40 * 1024}},
        "pauses": {"sluice/wire": {"CPU us/message": 100.0}},
        "peers": {"sluice/wire on Redis": {"Redis us/message": 200.0, "Redis us/call": 20.0}},
        "peers-pauses": {"sluice/wire on Redis": {"CPU us/message": 350.0, "Redis us/message": 250.0}}}}

    def test_the_tables_follow_from_the_figures(self):
        text = capacity.figures_text(self.KNOWN)
        self.assertIn("| at its end, clients never wait | 1,000,000 / c | 20,000 |", text)
        self.assertIn("| in the busiest minute, clients pause | 0.6 x 1,000,000 / p | 6,000 |", text)
        self.assertIn("| 3 | 15,000 | 9,000 | 1.5 |", text)
        self.assertIn("r / a = 10 subjects", text)

    def test_the_page_has_the_tables_of_the_last_run(self):
        known = json.loads((capacity.ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
        page = capacity.PAGE.read_text(encoding="utf-8")
        self.assertEqual(page.partition(capacity.BEGIN)[2].partition(capacity.END)[0].strip(), capacity.figures_text(known).strip(),
                         "run bench/capacity.py --write")

    def test_what_was_not_measured_is_left_out(self):
        text = capacity.figures_text({**self.KNOWN, "rows": {}})
        self.assertNotIn("None", text)
        self.assertNotIn("masters", text)


if __name__ == "__main__":
    unittest.main()
