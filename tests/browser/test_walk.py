"""The walk of a new user, in a real browser: read, comment, moderate, tune.

Each test stands alone: they may be shared out among test processes.
"""

from playwright.sync_api import expect

from tests.browser.conftest import ADMIN, MODERATOR

FRIENDLY = "What a hopeful piece, thank you for counting the quiet hours."
INSULT = "You are a pathetic idiot"
HOSTILE = (
    "<script>alert('x')</script> <img src=x onerror=alert(1)> "
    "you pathetic idiot, fuck you \u202e reversed"
)


def leave_comment(reader, body: str, article: str = "bridge") -> None:
    reader.open(f"/demo/{article}")
    reader.page.fill(".leave [name=name]", "Ann")
    reader.page.fill(".leave [name=body]", body)
    with reader.page.expect_navigation():
        reader.page.click("text=Post comment")


def test_the_front_page_leads_everywhere(watched) -> None:
    watched.open("/")
    for words in ("Demo news article", "Desk", "Settings", "API"):
        expect(watched.page.locator(".tiles").get_by_text(words)).to_be_visible()
    expect(watched.page.get_by_text("copydesk@")).to_be_visible()
    watched.shot("front")
    watched.open("/demo")
    watched.shot("demo-front")
    watched.open("/docs")
    expect(watched.page.locator("#operations-screening-receiveWebhook")).to_be_visible()
    watched.page.set_viewport_size({"width": 1280, "height": 844})


def test_the_first_login_forces_a_password_of_ones_own(watched, server) -> None:
    watched.open("/settings")
    watched.shot("login")
    watched.login(ADMIN, "not it")
    expect(watched.page.get_by_role("alert")).to_contain_text("wrong")
    watched.login(ADMIN, server.passwords[ADMIN])
    watched.shot("password")
    watched.open("/settings")
    assert "/account/password" in watched.page.url
    watched.choose_password(ADMIN)
    watched.open("/account")
    watched.shot("account")


def test_a_friendly_comment_appears_on_the_article(reader) -> None:
    leave_comment(reader, FRIENDLY)
    expect(reader.page.locator(".told")).to_contain_text("is published")
    expect(reader.page.locator("#thread li").first).to_contain_text(FRIENDLY)
    reader.shot("demo-article")


def test_an_insult_is_held_and_appears_once_a_moderator_publishes_it(
    watched, reader, server
) -> None:
    leave_comment(reader, INSULT)
    expect(reader.page.locator(".told")).to_contain_text("waits for the editors")

    watched.login_as(MODERATOR)
    item = watched.page.locator(".item").first
    expect(item).to_contain_text("at or above the hold threshold")
    expect(item.locator("mark", has_text="idiot").first).to_be_visible()
    watched.shot("queue")
    watched.page.keyboard.press("j")
    watched.page.keyboard.press("Enter")
    expect(watched.page.locator(".act")).to_be_visible()
    watched.shot("comment")
    watched.page.keyboard.press("p")
    expect(watched.page.get_by_text("Published.")).to_be_visible()

    stranger = reader.page.context.browser.new_context().new_page()
    stranger.goto(reader.url + "/demo/bridge")
    expect(stranger.locator("#thread")).to_contain_text(INSULT)
    stranger.context.close()
    expect(reader.page.locator(".state")).to_have_count(0)  # the page refreshed itself


def test_a_rejected_insult_does_not_appear_and_the_whole_pass_needs_no_mouse(
    watched, reader
) -> None:
    leave_comment(reader, INSULT + ", go away", "ballot")

    watched.login_as(MODERATOR)
    watched.page.wait_for_selector("[data-item]")
    watched.page.keyboard.press("c")
    expect(watched.page.locator(".act")).to_be_visible()
    watched.page.keyboard.press("r")
    watched.page.keyboard.press("1")
    watched.page.keyboard.press("Enter")
    expect(watched.page.get_by_text("Rejected.")).to_be_visible()
    expect(reader.page.locator(".state")).to_contain_text("not published")
    stranger = reader.page.context.browser.new_context().new_page()
    stranger.goto(reader.url + "/demo/ballot")
    expect(stranger.locator("#thread")).not_to_contain_text(INSULT)
    stranger.context.close()

    watched.page.keyboard.press("z")
    expect(watched.page.get_by_text("Taken back.")).to_be_visible()
    expect(watched.page.locator(".big .badge.held")).to_be_visible()
    watched.page.keyboard.press("?")
    expect(watched.page.locator("dialog")).to_be_visible()
    watched.page.keyboard.press("Escape")
    watched.open("/desk/decided")
    expect(watched.page.locator("tbody tr").first).to_contain_text("taken back")
    watched.shot("decided")


def test_hostile_text_is_shown_and_does_nothing(watched, reader) -> None:
    leave_comment(reader, HOSTILE)
    watched.login_as(MODERATOR)
    watched.page.wait_for_selector("[data-item]")
    watched.page.locator("[data-item]", has_text="onerror").click()
    expect(watched.page.locator(".big .said")).to_contain_text("<script>alert('x')</script>")


def test_an_admin_changes_a_threshold_and_the_next_comment_is_decided_by_it(
    watched, reader
) -> None:
    leave_comment(reader, INSULT + ", of course")
    watched.login_as(ADMIN)
    watched.page.wait_for_selector("text=Moderation queue")
    watched.open("/settings")
    watched.shot("settings")
    watched.open("/settings/sites/demo")
    watched.shot("site")
    watched.open("/settings/people")
    watched.shot("people")
    watched.open("/settings/deliveries")
    expect(watched.page.locator(".badge.delivered").first).to_be_visible()
    watched.shot("deliveries")
    watched.page.locator("tbody a").first.click()
    expect(watched.page.locator("pre")).to_contain_text('"type": "comment.')
    watched.shot("delivery")

    watched.open("/settings/sites/demo/policy")
    watched.page.fill("[name='thresholds.toxicity.reject']", "0,9")
    watched.page.click("text=Publish as version 2")
    expect(watched.page.get_by_role("alert")).to_contain_text("is not a number")
    assert watched.page.input_value("[name='thresholds.toxicity.reject']") == "0,9"
    watched.page.fill("[name='thresholds.toxicity.reject']", "0.9")
    watched.page.fill("[name=note]", "Insults are clear enough")
    watched.page.get_by_role("button", name="Show what would change").last.click()
    expect(watched.page.locator("#outcome")).to_contain_text("reject")
    watched.shot("policy")
    watched.page.click("text=Publish as version 2")
    expect(watched.page.get_by_text("Version 2 is in force")).to_be_visible()
    watched.shot("version")

    leave_comment(reader, INSULT + " indeed, all of you", "ballot")
    expect(reader.page.locator(".told")).to_contain_text("not published")
    watched.open("/settings/sites/demo/policy/versions")
    watched.shot("versions")
    watched.page.click("text=Version 1")
    watched.page.click("text=Bring back as version 3")
    expect(watched.page.get_by_text("as version 3")).to_be_visible()


def test_a_reader_edits_reports_and_takes_back(reader, watched) -> None:
    leave_comment(reader, "A first thought about ballots.", "ballot")
    mine = reader.page.locator("#thread li", has_text="A first thought")
    mine.locator("summary").click()
    mine.locator("textarea").fill("A second thought about ballots.")
    mine.get_by_text("Save").click()
    expect(reader.page.locator("#thread")).to_contain_text("A second thought")

    watched.open("/demo/ballot")
    other = watched.page.locator("#thread li", has_text="A second thought")
    other.get_by_text("Report").click()
    expect(watched.page.locator(".told")).to_contain_text("editors will look")

    reader.page.locator("#thread li", has_text="A second thought").get_by_text("Delete").click()
    expect(reader.page.locator("#thread")).not_to_contain_text("A second thought")


def test_a_moderator_sees_no_settings_and_logging_out_ends_it(watched) -> None:
    watched.login_as(MODERATOR)
    watched.page.wait_for_selector("text=Moderation queue")
    watched.open("/settings")
    expect(watched.page.get_by_text("Only admins see the settings")).to_be_visible()
    watched.shot("forbidden")
    watched.page.click("text=Log out")
    watched.page.wait_for_url("**/login")
    watched.open("/desk")
    assert "/login" in watched.page.url
