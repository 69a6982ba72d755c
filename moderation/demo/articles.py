"""What the demo news site has to read."""

ARTICLES = {
    "bridge": {
        "section": "world",
        "title": "After months of shelling, the town's bridge carries traffic again",
        "byline": "By Mara Lindqvist, on the river",
        "text": (
            "The first bus crossed at ten past seven, empty but for the mayor and a driver who "
            "had asked for the shift. Since spring the bridge had stood without its middle span, "
            "destroyed in the fighting for the far bank.",
            "Engineers worked at night and behind screens. “We counted the quiet hours,” said "
            "one of them. The army says the front is now forty kilometres away; people here "
            "still sleep in their cellars when the wind comes from the east.",
            "By noon there was a queue of cars on both sides, and a woman selling apples to it.",
        ),
    },
    "ballot": {
        "section": "politics",
        "title": "What the new ballot design changes on election day",
        "byline": "By Tomas Reyes, politics desk",
        "text": (
            "Voters will find one long sheet in place of four short ones. The electoral office "
            "says trials with eight hundred people brought spoilt ballots down by a third.",
            "The opposition doubts the figure and has asked for the data. The government calls "
            "the doubt an attack on the office; the office calls it a fair question, and will "
            "publish the data on Friday.",
        ),
    },
}
