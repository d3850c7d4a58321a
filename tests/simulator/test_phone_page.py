"""The phone's page in a real browser: what a person sees, hears and presses, without ever reloading."""

import base64
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from dialect_speakers import FormSpeaker, RestSpeaker, good
from running_simulator import RunningSimulator
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--window-size=900,950",
)
PATIENCE = 20.0

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
        reason="needs Debian's packages chromium and chromium-driver",
    ),
]


class Page:
    """The page as a person uses it: what can be seen, by words."""

    def __init__(self, browser: webdriver.Chrome, simulator: RunningSimulator, secsign_id: str) -> None:
        self.browser, self.secsign_id = browser, secsign_id
        browser.get(f"{simulator.phone_url}?id={secsign_id}")
        self.until(lambda: "No login is waiting" in self.text())

    def until(self, happens: Callable[[], object]) -> None:
        WebDriverWait(self.browser, PATIENCE, poll_frequency=0.05).until(lambda _: happens())

    def text(self) -> str:
        return self.browser.find_element(By.CSS_SELECTOR, "main").text

    def buttons(self) -> dict[str, WebElement]:
        """The buttons one can see, by the name that a screen reader says."""
        seen = [one for one in self.browser.find_elements(By.TAG_NAME, "button") if one.is_displayed()]
        return {one.accessible_name: one for one in seen}

    def press(self, name: str) -> None:
        """Press the button whose name contains these words, once it is there."""
        self.until(lambda: [known for known in self.buttons() if name in known])
        next(button for known, button in self.buttons().items() if name in known).click()

    def keys(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def focused(self) -> WebElement:
        return self.browser.switch_to.active_element

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)


def console(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the page and the browser complained about since the last look."""
    complaints: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return complaints


@pytest.fixture(scope="module")
def browser_of_file() -> Iterator[webdriver.Chrome]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        try:
            yield browser
        finally:
            browser.quit()


@pytest.fixture
def browser(browser_of_file: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    yield browser_of_file
    complaints = console(browser_of_file)
    browser_of_file.get("about:blank")
    assert complaints == []


@pytest.fixture
def page(browser: webdriver.Chrome, simulator: RunningSimulator, alice: str) -> Page:
    return Page(browser, simulator, alice)


def test_a_request_appears_by_itself_and_is_accepted(page: Page, form: FormSpeaker, alice: str) -> None:
    created = form.create(alice, servicename="alice@web1", serviceaddress="web1.example.org")
    page.press("alice@web1")
    assert "web1.example.org" in page.text()
    page.until(lambda: form.state(created)["authsessionstate"] == "7")
    page.press("Accept")
    page.until(lambda: "Accepted" in page.text())
    assert form.state(created)["authsessionstate"] == "3"
    page.press("Done")
    assert page.text().endswith("Accepted")


def test_a_transaction_shows_its_text_and_is_denied(page: Page, rest: RestSpeaker, alice: str) -> None:
    created = good(
        rest.create(
            alice,
            transactiontitle="Copy files to web1",
            transactiondescr="rsync --server . /srv/www",
            transactiondata="Client=192.0.2.17;",
        )
    )
    page.press("Copy files to web1")
    assert all(words in page.text() for words in ("rsync --server . /srv/www", "Client", "192.0.2.17", alice))
    page.press("Deny")
    page.until(lambda: "Denied" in page.text())
    assert good(rest.state(created["authsessionid"]))["authsessionstate"] == 4


@pytest.mark.parametrize(("tap_the_right_one", "outcome"), [(True, "Accepted"), (False, "Denied")])
def test_one_picture_among_four_is_right(
    page: Page, form: FormSpeaker, alice: str, tap_the_right_one: bool, outcome: str
) -> None:
    created = form.create(alice, showaccesspass="true", servicename="alice@web1")
    page.press("alice@web1")
    page.until(lambda: "Tap the picture" in page.text())
    pictures = page.browser.find_elements(By.CSS_SELECTOR, "#choices img")
    assert len({picture.accessible_name for picture in pictures}) == 4
    assert "Accept" not in page.buttons()
    icon = base64.b64decode(created["authsessionicondata"])
    tapped = next(
        one for one in pictures if (httpx.get(one.get_attribute("src") or "").content == icon) is tap_the_right_one
    )
    tapped.click()
    page.until(lambda: outcome in page.text())
    assert form.state(created)["authsessionstate"] == ("3" if tap_the_right_one else "4")


def test_foreign_text_is_never_markup(page: Page, rest: RestSpeaker, alice: str) -> None:
    hostile = "<img src=x onerror=alert(1)><b>root</b>"
    rest.create(alice, servicename=hostile, transactiontitle=hostile, transactiondescr=hostile)
    page.press(hostile)
    page.until(lambda: "Accept" in page.buttons())
    assert page.text().count(hostile) == 4  # title, description, service name, and the announcement
    assert page.run("return document.querySelectorAll('main b, main [onerror]').length") == 0


def test_the_keyboard_alone_is_enough(page: Page, form: FormSpeaker, alice: str) -> None:
    created = form.create(alice, servicename="alice@web1")
    page.until(lambda: "alice@web1" in page.text())
    page.keys(Keys.TAB)
    assert "alice@web1" in page.focused().accessible_name
    page.keys(Keys.ENTER)
    page.until(lambda: page.focused().get_attribute("id") == "request-title")
    page.keys(Keys.ESCAPE)
    page.until(lambda: "alice@web1" in page.focused().accessible_name)
    page.keys(Keys.ENTER)
    page.until(lambda: page.focused().get_attribute("id") == "request-title")
    page.keys(Keys.TAB)
    assert page.focused().accessible_name == "Deny"
    page.keys(Keys.TAB)
    assert page.focused().accessible_name == "Accept"
    page.keys(Keys.SPACE)
    page.until(lambda: page.focused().get_attribute("id") == "outcome-title")
    assert form.state(created)["authsessionstate"] == "3"


def test_a_screen_reader_hears_the_request_and_the_names_of_everything(
    page: Page, form: FormSpeaker, alice: str
) -> None:
    status = page.browser.find_element(By.CSS_SELECTOR, "[role=status]")
    form.create(alice, showaccesspass="true", servicename="alice@web1")
    page.until(lambda: status.get_attribute("textContent") == f"Login request for {alice}: alice@web1")
    page.press("alice@web1")
    page.until(lambda: "Tap the picture" in page.text())
    assert all(page.buttons())
    assert page.browser.find_element(By.ID, "pictures").accessible_name == "Tap the picture that you were shown"
    assert page.browser.find_element(By.CSS_SELECTOR, "section:not([hidden])").aria_role == "region"


def test_a_request_that_the_service_withdraws_leaves_the_screen(page: Page, form: FormSpeaker, alice: str) -> None:
    created = form.create(alice, servicename="alice@web1")
    page.press("alice@web1")
    page.until(lambda: form.state(created)["authsessionstate"] == "7")
    form.cancel(created)
    page.until(lambda: "Withdrawn" in page.text())


def test_a_second_login_is_told_as_suspicious_and_a_frozen_id_is_tapped(
    page: Page, form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    first = form.create(alice, servicename="first")
    page.press("first")
    page.until(lambda: form.state(first)["authsessionstate"] == "7")
    form.create(alice, servicename="second")
    page.until(lambda: "Another login for this SecSign ID" in page.text())
    simulator.faults("frozen", on="create")
    form.create(alice, servicename="third")
    page.keys(Keys.ESCAPE)
    page.press("Frozen")
    page.until(lambda: "Frozen" not in page.text())
    assert form.create(alice)["authsessionstate"] == "1"


def test_the_page_says_when_the_simulator_is_gone(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as passing:
        page = Page(browser, passing, "alice")
    page.until(lambda: "does not answer" in page.text())
    console(browser)  # the browser's own words about it


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phones_width_and_both_colour_schemes_are_served(
    page: Page, rest: RestSpeaker, alice: str, width: int, scheme: str
) -> None:
    command: Callable[[str, dict[str, Any]], Any] = page.browser.execute_cdp_cmd
    command(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    )
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        rest.create(
            alice, transactiontitle="w" * 80, transactiondescr="x" * 400, transactiondata=f"{'k' * 40}={'v' * 60};"
        )
        page.press("www")
        page.until(lambda: "Accept" in page.buttons())
        assert page.run("return document.documentElement.scrollWidth") <= width
        screen = "document.getElementById('request')"
        assert page.run(f"return {screen}.scrollWidth <= {screen}.clientWidth")
        colours = page.run(f"const s = getComputedStyle({screen}); return [s.backgroundColor, s.color]")
        surface, ink = (sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) for colour in colours)
        assert (surface > ink) is (scheme == "light")
    finally:
        command("Emulation.clearDeviceMetricsOverride", {})
        command("Emulation.setEmulatedMedia", {"features": []})


def test_everything_comes_from_the_simulator_itself(page: Page, form: FormSpeaker, alice: str) -> None:
    form.create(alice, showaccesspass="true", servicename="alice@web1")
    page.press("alice@web1")
    page.until(lambda: page.run("return [...document.images].filter((one) => one.naturalWidth === 88).length") == 4)
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert {urlsplit(url).netloc for url in loaded} == {urlsplit(page.browser.current_url).netloc}
    assert any(url.endswith(".png") for url in loaded)
